/** Who a credential speaks for, and what it may do. Made anew for each request, so that a demotion takes hold at once. */
export interface Principal {
  readonly kind: 'user' | 'service_account' | 'organization' | 'system';
  /** Id of the user, the service account or, for a token of the organization itself, the token. */
  readonly id: string;
  readonly name: string | undefined;
  readonly organizationId: string;
  /** Only the operator's own organization may use `platform:…`. */
  readonly isPlatform: boolean;
  /** Set when the caller is a person, by JWT or by personal token. */
  readonly userId: string | undefined;
  /** Id of the token that was used; undefined for a JWT. */
  readonly tokenId: string | undefined;
  /** Requests per minute of the token that was used; undefined: not limited by the token. */
  readonly rateLimit?: number;
  /** Effective scopes: what the credential says and the role of its owner allows today. */
  readonly scopes: readonly string[];
}

/** Where a request comes from, for the audit trail. */
export interface RequestOrigin {
  readonly requestId: string;
  readonly ipAddress: string | undefined;
}

/** The explicit context that every operation of the core takes first: who calls, and what the audit trail notes of the request. */
export interface Caller extends RequestOrigin {
  readonly principal: Principal;
}
