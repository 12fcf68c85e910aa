import { CATALOGUE, type ErrorCode } from '../../errors/catalogue.js';
import { tellDetail } from '../../errors/problem-body.js';
import { type Refusal, withoutSecrets } from '../../errors/refusal.js';
import type { UnleashError, UnleashErrorDetail } from './dto/unleash-error.dto.js';
import { toWireLocation, toWirePath } from './translate.js';

/** How a refusal is said here. */
interface Wording {
  readonly status: number;
  readonly name: string;
  /** Said where the refusal brings no sentence of its own. */
  readonly message: string;
}

const say = (status: number, name: string, message: string): Wording => ({ status, name, message });
const badData = (message: string): Wording => say(400, 'BadDataError', message);
const notFound = (message: string): Wording => say(404, 'NotFoundError', message);
const nameExists = (message: string): Wording => say(409, 'NameExistsError', message);
const notPermitted = (message: string): Wording => say(403, 'PermissionError', message);
const forbidden = (message: string): Wording => say(403, 'ForbiddenError', message);
const overQuota = (message: string): Wording => say(403, 'OperationDeniedError', message);
const unavailable = (message: string): Wording => say(503, 'ServiceUnavailableError', message);

const INVALID =
  'Request validation failed: the body or a parameter holds what is not valid. The `details` say what and where.';

/** Every refusal of the catalogue in the words of this dialect; a new one does not compile until it is said here. */
const WORDINGS: Readonly<Record<ErrorCode, Wording>> = {
  'request.malformed_json': badData('The body is not JSON.'),
  'request.body_missing': badData('The body is missing: send a JSON object.'),
  'request.malformed': badData('The request cannot be understood.'),
  'request.headers_too_large': badData('The headers are too large.'),
  'request.invalid_cursor': badData('The cursor is not one of ours.'),
  'request.invalid': badData(INVALID),
  'request.too_large': say(413, 'PayloadTooLargeError', 'The body is too large.'),
  'request.unsupported_media_type': say(
    415,
    'ContentTypeError',
    'The content type is not supported: send the body as application/json.',
  ),
  'request.precondition_failed': say(412, 'PreconditionFailedError', 'It was changed in the meantime: read it again.'),
  'request.idempotency_key_reused': badData('The Idempotency-Key belongs to another request.'),
  'route.not_found': notFound('There is nothing at this path.'),
  // The systems whose clients speak this dialect know no 405.
  'route.method_not_allowed': notFound('There is nothing at this path for this method.'),
  'list.too_large': overQuota('The list is too long to be sent at once: delete what is not needed any more.'),
  'authentication.required': say(
    401,
    'AuthenticationRequired',
    'You must log in: the request had no authorization header with a token.',
  ),
  'authentication.invalid': say(401, 'UnauthorizedError', 'The token is not accepted: use another one.'),
  'authentication.unavailable': unavailable('The token cannot be checked at the moment: try again shortly.'),
  'access.denied': notPermitted('You need the permission ADMIN, or the scope of this operation.'),
  'access.not_a_member': forbidden('You are not a member of the organization.'),
  'access.person_required': forbidden('Only a person can do this: sign in, personal tokens are not managed by tokens.'),
  'access.address_not_authorized': forbidden('The token may not be used from this address.'),
  'access.quota_reached': overQuota('The quota is used up: delete what is not needed any more.'),
  'organization.suspended': forbidden('The organization is suspended.'),
  'organization.not_found': notFound('There is no such organization.'),
  'organization.slug_taken': nameExists('Another organization has this name.'),
  'organization.external_id_taken': nameExists('Another organization has this id.'),
  'member.not_found': notFound('There is no such user.'),
  'member.already_exists': nameExists('The user exists already.'),
  'member.last_owner': overQuota('The organization would be left without an owner.'),
  'member.role_exceeds_grantor': notPermitted('The role holds more permissions than you do.'),
  'role.not_found': notFound('There is no such role.'),
  'role.slug_taken': nameExists('Another role has this name.'),
  'role.built_in': forbidden('Built-in roles cannot be changed.'),
  'role.in_use': say(400, 'RoleInUseError', 'The role is in use.'),
  'role.scopes_exceed_grantor': notPermitted('The role would hold more permissions than you do.'),
  'service_account.not_found': notFound('There is no such service account.'),
  'service_account.slug_taken': nameExists('Another service account has this username.'),
  'service_account.role_exceeds_grantor': notPermitted('The role holds more permissions than you do.'),
  'token.not_found': notFound('There is no such token.'),
  'token.name_taken': nameExists('Another token has this description.'),
  'token.slug_taken': nameExists('Another token has this name.'),
  'token.scopes_exceed_grantor': notPermitted('The token would hold more permissions than you do.'),
  'token.expired': badData('The token has expired.'),
  'rate_limit.exceeded': say(429, 'RateLimitError', 'Too many requests: wait for the seconds that Retry-After names.'),
  'service.unavailable': unavailable('The service cannot answer at the moment: try again shortly.'),
  'service.internal': say(500, 'InternalError', 'Something went wrong in the service.'),
};

export function unleashStatusOf({ code }: Refusal): number {
  return WORDINGS[code].status;
}

/** The body of an error. The one place through which refusals leave this dialect, so that no secret gets by. */
export function unleashErrorBody(refusal: Refusal, id: string, body: unknown): UnleashError {
  const { name } = WORDINGS[refusal.code];
  return {
    id,
    name,
    message: withoutSecrets(messageOf(refusal)),
    ...(refusal.more.errors ? { details: refusal.more.errors.map((error) => detailOf(error, body)) } : {}),
    ...(name === 'PermissionError' ? { permissions: ['ADMIN'] } : {}),
  };
}

/** The refusal's own sentence about the case, unless it only repeats the catalogue, which speaks of the native dialect, or its details. */
function messageOf({ code, message }: Refusal): string {
  const isOwn = message !== CATALOGUE[code].caller && /^[A-Z].*\.$/s.test(message);
  return isOwn ? message : WORDINGS[code].message;
}

function detailOf(error: NonNullable<Refusal['more']['errors']>[number], body: unknown): UnleashErrorDetail {
  const location = toWireLocation(error.location);
  const renamed = location === error.location ? error : { location, message: error.message };
  const told = tellDetail(renamed, body);
  const path = toWirePath(told.location);
  const sent = told.value === undefined ? '' : ` You sent ${JSON.stringify(told.value)}.`;
  return { message: `The \`${path}\` property ${told.message}.${sent}`, path };
}
