/** Every way in which this dialect says no. Statuses and codes are the published ones; nothing is ever 401. */
export const KATAPULT_ERRORS = {
  missing_api_token: { status: 400, description: 'No API token was sent; send one as "Authorization: Bearer …"' },
  invalid_argument: { status: 400, description: 'The value of an argument is not acceptable' },
  missing_required_argument: { status: 400, description: 'An argument that is required was not sent' },
  invalid_json_body: { status: 400, description: 'The body of the request cannot be read as a JSON object' },
  invalid_api_token: { status: 403, description: 'The API token is not accepted' },
  unauthorized_network_for_api_token: {
    status: 403,
    description: 'The API token may not be used from this network',
  },
  scope_not_granted: { status: 403, description: 'The API token has none of the scopes that this needs' },
  permission_denied: { status: 403, description: 'The caller may not do this' },
  organization_suspended: { status: 403, description: 'The organization is suspended' },
  organization_not_found: { status: 404, description: 'No organization was found by what was sent' },
  api_token_not_found: { status: 404, description: 'No API token was found by what was sent' },
  route_not_found: { status: 404, description: 'There is no endpoint for this method and path' },
  validation_error: { status: 422, description: 'What was sent breaks a rule' },
  rate_limit_reached: { status: 429, description: 'Too many requests; try again in a minute' },
  unhandled_exception: { status: 500, description: 'Something went wrong in the service' },
  service_unavailable: { status: 503, description: 'The service cannot answer at the moment; try again shortly' },
} as const satisfies Record<string, { readonly status: number; readonly description: string }>;

export type KatapultErrorCode = keyof typeof KATAPULT_ERRORS;
