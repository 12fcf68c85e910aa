// Generated from openapi/katapult.json by `npm run generate`.
export interface paths {
    "/core/v1/organizations/{organization}/api_tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["katapultListApiTokens"];
        put?: never;
        post: operations["katapultCreateApiToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/core/v1/api_tokens/{api_token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete: operations["katapultDeleteApiToken"];
        options?: never;
        head?: never;
        patch: operations["katapultUpdateApiToken"];
        trace?: never;
    };
    "/core/v1/api_tokens/{api_token}/regenerate_secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["katapultRegenerateApiTokenSecret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/core/v1/organizations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["katapultListOrganizations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/core/v1/organizations/{organization}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["katapultGetOrganization"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        KatapultErrorMembers: {
            code: "missing_api_token" | "invalid_argument" | "missing_required_argument" | "invalid_json_body" | "invalid_api_token" | "unauthorized_network_for_api_token" | "scope_not_granted" | "permission_denied" | "organization_suspended" | "organization_not_found" | "api_token_not_found" | "route_not_found" | "validation_error" | "rate_limit_reached" | "unhandled_exception" | "service_unavailable";
            description: string;
            detail: {
                [key: string]: unknown;
            };
        };
        KatapultError: {
            code: "missing_api_token" | "invalid_argument" | "missing_required_argument" | "invalid_json_body" | "invalid_api_token" | "unauthorized_network_for_api_token" | "scope_not_granted" | "permission_denied" | "organization_suspended" | "organization_not_found" | "api_token_not_found" | "route_not_found" | "validation_error" | "rate_limit_reached" | "unhandled_exception" | "service_unavailable";
            description: string;
            detail: {
                [key: string]: unknown;
            };
            error: components["schemas"]["KatapultErrorMembers"];
        };
        KatapultPagination: {
            current_page: number;
            total_pages: number | null;
            total: number | null;
            per_page: number;
            large_set: boolean;
        };
        KatapultApiToken: {
            id: string;
            name: string;
            organization_id: string | null;
            authorized_ip_addresses: string[];
            expires_at: number | null;
            rate_limit: number;
            scopes: string[];
            secret: string | null;
        };
        KatapultApiTokenList: {
            pagination: components["schemas"]["KatapultPagination"];
            api_tokens: components["schemas"]["KatapultApiToken"][];
        };
        KatapultOrganizationLookup: {
            id?: string;
            sub_domain?: string;
        };
        KatapultApiTokenProperties: {
            name?: string;
            authorized_ip_addresses?: string[];
            expires_at?: number | null;
            scopes?: string[];
        };
        KatapultAnnotation: {
            key: string;
            value: string;
        };
        KatapultCreateApiTokenArguments: {
            organization: components["schemas"]["KatapultOrganizationLookup"];
            properties: components["schemas"]["KatapultApiTokenProperties"];
            annotations?: components["schemas"]["KatapultAnnotation"][];
        };
        KatapultAnnotatedApiTokenAnswer: {
            api_token: components["schemas"]["KatapultApiToken"];
            annotations: components["schemas"]["KatapultAnnotation"][];
        };
        KatapultApiTokenLookup: {
            id: string;
        };
        KatapultUpdateApiTokenArguments: {
            api_token: components["schemas"]["KatapultApiTokenLookup"];
            properties: components["schemas"]["KatapultApiTokenProperties"];
            annotations?: components["schemas"]["KatapultAnnotation"][];
        };
        KatapultApiTokenArguments: {
            api_token: components["schemas"]["KatapultApiTokenLookup"];
        };
        KatapultDeletedApiToken: {
            id: string;
            name: string;
        };
        KatapultDeletedApiTokenAnswer: {
            api_token: components["schemas"]["KatapultDeletedApiToken"];
        };
        KatapultApiTokenAnswer: {
            api_token: components["schemas"]["KatapultApiToken"];
        };
        KatapultOrganization: {
            id: string;
            name: string;
            sub_domain: string;
            created_at: number;
            suspended: boolean;
        };
        KatapultOrganizationList: {
            organizations: components["schemas"]["KatapultOrganization"][];
        };
        KatapultOrganizationAnswer: {
            organization: components["schemas"]["KatapultOrganization"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    katapultListApiTokens: {
        parameters: {
            query?: {
                per_page?: number;
                page?: number;
                "annotations[][value]"?: string[];
                "annotations[][key]"?: string[];
                "organization[id]"?: string;
                "organization[sub_domain]"?: string;
            };
            header?: never;
            path: {
                organization: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultApiTokenList"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultCreateApiToken: {
        parameters: {
            query?: {
                "organization[id]"?: string;
                "organization[sub_domain]"?: string;
            };
            header?: {
                "Idempotency-Key"?: string;
            };
            path: {
                organization: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KatapultCreateApiTokenArguments"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultAnnotatedApiTokenAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultDeleteApiToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api_token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KatapultApiTokenArguments"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultDeletedApiTokenAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultUpdateApiToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api_token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KatapultUpdateApiTokenArguments"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultAnnotatedApiTokenAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultRegenerateApiTokenSecret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                api_token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KatapultApiTokenArguments"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultApiTokenAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultListOrganizations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultOrganizationList"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
    katapultGetOrganization: {
        parameters: {
            query?: {
                "organization[id]"?: string;
                "organization[sub_domain]"?: string;
            };
            header?: never;
            path: {
                organization: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultOrganizationAnswer"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KatapultError"];
                };
            };
        };
    };
}
