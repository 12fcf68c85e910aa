/** What is published about one way of being refused: its status, its title, and a sentence each for the caller and the operator. */
export interface CatalogueEntry {
  readonly status: number;
  readonly title: string;
  /** What the caller can do about it. */
  readonly caller: string;
  /** What the operator of the service can look at. */
  readonly operator: string;
}

/**
 * The closed list of refusals. Each dialect renders it through an exhaustive `Record<ErrorCode, …>`, so a new entry does
 * not compile until every dialect knows how to say it. `GET /problems/{code}` publishes it.
 */
const ENTRIES = {
  'request.malformed_json': {
    status: 400,
    title: 'The body is not JSON',
    caller: 'Send a body that is well-formed JSON; errors[0].message says where parsing stopped.',
    operator: 'A client builds its bodies by hand or cuts them off; its request id is in the log.',
  },
  'request.body_missing': {
    status: 400,
    title: 'The body is missing',
    caller: 'Send a JSON object with content-type application/json.',
    operator: 'A client or a proxy drops the body of the request.',
  },
  'request.malformed': {
    status: 400,
    title: 'The request cannot be understood',
    caller: 'Percent-encode the URL correctly and send a well-formed HTTP request.',
    operator: 'Usually a scanner, or a client that builds URLs by hand.',
  },
  'request.headers_too_large': {
    status: 431,
    title: 'The headers are too large',
    caller: 'Send shorter headers, and a shorter URL.',
    operator: 'A client or a proxy sends more than 16 KiB of headers, often cookies.',
  },
  'request.invalid_cursor': {
    status: 400,
    title: 'The cursor is not one of ours',
    caller:
      'Send the nextCursor of the previous page of the same list unchanged, or leave the cursor out to begin anew.',
    operator: 'Cursors hold no state on the server and stay valid; a client has changed one or mixed up two lists.',
  },
  'request.invalid': {
    status: 422,
    title: 'The request breaks a rule',
    caller: 'Change what errors[] names: each entry says where it is and what is expected there.',
    operator: 'Nothing is wrong with the service.',
  },
  'request.too_large': {
    status: 413,
    title: 'The body is too large',
    caller: 'Send a smaller body.',
    operator: 'BODY_BYTES_MAX sets the limit.',
  },
  'request.unsupported_media_type': {
    status: 415,
    title: 'The content type is not supported',
    caller: 'Send the body as application/json, or as the type that the operation documents.',
    operator: 'Nothing is wrong with the service.',
  },
  'request.precondition_failed': {
    status: 412,
    title: 'It was changed in the meantime',
    caller: 'Read it again, decide again, and send its new ETag in If-Match.',
    operator: 'Two clients change the same thing; If-Match kept one of them from overwriting the other.',
  },
  'request.idempotency_key_reused': {
    status: 422,
    title: 'The Idempotency-Key belongs to another request',
    caller: 'Use a new Idempotency-Key for each different request.',
    operator: 'A client reuses keys; IDEMPOTENCY_TTL_SECONDS says how long they are remembered.',
  },
  'route.not_found': {
    status: 404,
    title: 'There is nothing at this path',
    caller: 'Compare the path with the API documentation under /docs.',
    operator: 'A client uses a wrong base URL, or a proxy rewrites the path.',
  },
  'route.method_not_allowed': {
    status: 405,
    title: 'The method is not offered at this path',
    caller: 'Use one of the methods in the Allow header.',
    operator: 'Nothing is wrong with the service.',
  },
  'list.too_large': {
    status: 422,
    title: 'The list is too long to be sent at once',
    caller: 'Send limit, and follow nextCursor.',
    operator: 'LIST_ROWS_MAX sets the limit.',
  },
  'authentication.required': {
    status: 401,
    title: 'A credential is required',
    caller: 'Send a JWT or an API token as "Authorization: Bearer …".',
    operator: 'A client sends no credential, or a proxy strips the header.',
  },
  'authentication.invalid': {
    status: 401,
    title: 'The credential is not accepted',
    caller: 'Sign in again or use another token: this one is unknown, malformed, expired or revoked.',
    operator: 'The reason is in the log beside the request id; callers are not told which it was.',
  },
  'authentication.unavailable': {
    status: 503,
    title: 'The credential cannot be checked at the moment',
    caller: 'Try again shortly; the credential was not judged.',
    operator: 'The keys of AUTH_ISSUER could not be fetched; check its discovery document and the network.',
  },
  'access.denied': {
    status: 403,
    title: 'The credential does not allow this',
    caller: 'Ask an administrator for the scope that the detail names.',
    operator: 'The effective scopes are those of the credential that the role of its owner allows today.',
  },
  'access.not_a_member': {
    status: 403,
    title: 'Not a member of the organization',
    caller: 'Ask an administrator of the organization to add you.',
    operator: 'The JWT is good but names an organization or a person that is unknown, or a member that was removed.',
  },
  'access.person_required': {
    status: 403,
    title: 'Only a person can do this',
    caller: 'Sign in and send your JWT: personal tokens are not managed with a token.',
    operator: 'Nothing is wrong with the service.',
  },
  'access.address_not_authorized': {
    status: 403,
    title: 'The token may not be used from this address',
    caller: 'Call from one of the addresses that the token authorizes.',
    operator: 'If the address is that of a proxy of yours, name the proxy in TRUST_PROXY.',
  },
  'access.quota_reached': {
    status: 403,
    title: 'The quota is used up',
    caller: 'Delete or revoke what is not needed any more.',
    operator: 'The …_MAX settings hold the quotas.',
  },
  'organization.suspended': {
    status: 403,
    title: 'The organization is suspended',
    caller: 'Ask the operator of the service.',
    operator: 'POST /organizations/{organizationSlug}/resume makes it active again.',
  },
  'organization.not_found': {
    status: 404,
    title: 'There is no such organization',
    caller: 'Check the slug against GET /organizations.',
    operator: 'Nothing is wrong with the service.',
  },
  'organization.slug_taken': {
    status: 409,
    title: 'The slug is taken',
    caller: 'Choose another slug, or leave it out to have one made.',
    operator: 'Nothing is wrong with the service.',
  },
  'organization.external_id_taken': {
    status: 409,
    title: 'Another organization has this external id',
    caller: 'Use the organization that exists, or another external id.',
    operator: 'An external id is the value of the organization claim; two organizations cannot share it.',
  },
  'member.not_found': {
    status: 404,
    title: 'There is no such member',
    caller: 'Check the id against GET /organization/members.',
    operator: 'Nothing is wrong with the service.',
  },
  'member.already_exists': {
    status: 409,
    title: 'The person is a member already',
    caller: 'Change the role of the member instead.',
    operator: 'Nothing is wrong with the service.',
  },
  'member.last_owner': {
    status: 409,
    title: 'The organization would be left without an owner',
    caller: 'Make another member owner first.',
    operator: 'Nothing is wrong with the service.',
  },
  'member.role_exceeds_grantor': {
    status: 403,
    title: 'The role holds more than the caller',
    caller: 'Ask somebody who holds every scope of the role that is taken away or given.',
    operator: 'Nobody grants, or takes, more than they hold.',
  },
  'role.not_found': {
    status: 404,
    title: 'There is no such role',
    caller: 'Check the slug against GET /organization/roles.',
    operator: 'Nothing is wrong with the service.',
  },
  'role.slug_taken': {
    status: 409,
    title: 'The slug of the role is taken',
    caller: 'Choose another slug, or leave it out to have one made.',
    operator: 'Nothing is wrong with the service.',
  },
  'role.built_in': {
    status: 403,
    title: 'Built-in roles cannot be changed',
    caller: 'Create a role of your own with the scopes you need.',
    operator: 'Nothing is wrong with the service.',
  },
  'role.in_use': {
    status: 409,
    title: 'The role is in use',
    caller: 'Give its members and service accounts another role first.',
    operator: 'Nothing is wrong with the service.',
  },
  'role.scopes_exceed_grantor': {
    status: 403,
    title: 'The role would hold more than the caller',
    caller: 'Leave out the scopes that errors[] names, or ask somebody who holds them.',
    operator: 'Nobody grants more than they hold.',
  },
  'service_account.not_found': {
    status: 404,
    title: 'There is no such service account',
    caller: 'Check the slug against GET /service-accounts.',
    operator: 'Nothing is wrong with the service; accounts of other organizations are not found either.',
  },
  'service_account.slug_taken': {
    status: 409,
    title: 'The slug is taken',
    caller: 'Choose another slug, or leave it out to have one made.',
    operator: 'Nothing is wrong with the service.',
  },
  'service_account.role_exceeds_grantor': {
    status: 403,
    title: 'The role holds more than the caller',
    caller: 'Choose a role whose scopes you hold, or ask somebody who holds them.',
    operator: 'Nobody grants more than they hold.',
  },
  'token.not_found': {
    status: 404,
    title: 'There is no such token',
    caller: 'Check the slug against the list of tokens; a revoked token cannot be changed any more.',
    operator: 'Nothing is wrong with the service; tokens of other organizations are not found either.',
  },
  'token.name_taken': {
    status: 409,
    title: 'Another token has this name',
    caller: 'Choose another name, or revoke the token that has it.',
    operator: 'Nothing is wrong with the service.',
  },
  'token.slug_taken': {
    status: 409,
    title: 'The slug is taken',
    caller: 'Choose another slug, or leave it out to have one made; slugs of revoked tokens stay taken.',
    operator: 'Nothing is wrong with the service.',
  },
  'token.scopes_exceed_grantor': {
    status: 403,
    title: 'The token would hold more than the caller',
    caller: 'Leave out the scopes that errors[] names, or ask somebody who holds them.',
    operator: 'Nobody grants more than they hold.',
  },
  'token.expired': {
    status: 409,
    title: 'The token has expired',
    caller: 'Set a later expiresAt first, or issue a new token.',
    operator: 'Nothing is wrong with the service.',
  },
  'rate_limit.exceeded': {
    status: 429,
    title: 'Too many requests',
    caller: 'Wait for the seconds that Retry-After names.',
    operator: 'RATE_LIMIT_PER_MINUTE and the rateLimit of the token set the limit.',
  },
  'service.unavailable': {
    status: 503,
    title: 'The service cannot answer at the moment',
    caller: 'Try again shortly; nothing was changed unless an earlier answer said so.',
    operator: 'The database cannot be reached or is overloaded; see /health/ready and the log.',
  },
  'service.internal': {
    status: 500,
    title: 'Something went wrong in the service',
    caller: 'Try again; if it persists, tell the operator the requestId.',
    operator: 'The log holds the error beside the request id.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof ENTRIES;

export const CATALOGUE: Readonly<Record<ErrorCode, CatalogueEntry>> = ENTRIES;

export const ERROR_CODES = Object.keys(ENTRIES) as ErrorCode[];
