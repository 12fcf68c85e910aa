/** The bodies of the native dialect as its published document writes them, beside the additions that the tests look at. */
export interface User {
  readonly id: string;
  readonly name?: string;
}

export interface ServiceAccount {
  readonly id: string;
  readonly number: number;
  readonly slug: string;
  readonly externalId: string;
  readonly name: string;
  readonly createdAt: string;
  readonly createdBy?: User;
  readonly tokens: readonly Token[];
  readonly description?: string;
  readonly role?: string;
  readonly disabledAt?: string;
}

export interface Token {
  readonly id: string;
  readonly number: number;
  readonly slug: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly serviceAccountId: string;
  readonly createdAt: string;
  readonly createdBy: User;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  readonly revokedBy?: User;
  readonly authorizedIpAddresses?: readonly string[];
  readonly rateLimit?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface IssuedToken extends Token {
  readonly token: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
  readonly hasMore: boolean;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly ProblemDetail[];
}

export interface ProblemDetail {
  readonly location: string;
  readonly message: string;
  readonly value?: unknown;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const SLUG = /^(?=.{2,100}$)[a-z0-9][a-z0-9-]*[a-z0-9]$/;
export const EXTERNAL_ID = /^ksa_[A-Za-z0-9_-]{32}$/;
/** RFC 3339 in UTC. */
export const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
export const SECRET = /^kws_[0-9A-Za-z]{49}$/;
