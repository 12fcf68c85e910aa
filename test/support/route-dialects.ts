import type { Answer } from './http.js';
import { expectProblem } from './problems.js';
import { UUID } from './wire.js';

/** A refusal of the catalogue, as the native dialect says it. */
export interface NativeRefusal {
  readonly status: number;
  readonly code: string;
}

/** How the routes of a dialect say what the native one says as problem+json. */
export interface RouteDialect {
  /** What the dialect answers in the place of a native refusal, as the members of its body that tell which one it is. */
  readonly refusalFor: (refusal: NativeRefusal) => { readonly status: number; readonly body: object };
  /** Whether a body has the form of the dialect's errors. */
  readonly isError: (contentType: string, body: Readonly<Record<string, unknown>>) => boolean;
  /** What differs from one error to the next. */
  readonly volatile?: RegExp;
  /** What a credential of another scheme than Bearer is to the dialect, where it is not the same as none. */
  readonly otherScheme?: NativeRefusal;
}

/** RFC 6750 §3.1. */
const OAUTH_ERRORS: Readonly<Record<number, string>> = { 401: 'invalid_token', 403: 'insufficient_scope' };

const UNLEASH_NAMES: Readonly<Record<string, string>> = {
  'authentication.required': 'AuthenticationRequired',
  'authentication.invalid': 'UnauthorizedError',
  'access.denied': 'PermissionError',
  'access.person_required': 'ForbiddenError',
  'organization.suspended': 'ForbiddenError',
  'service_account.not_found': 'NotFoundError',
  'token.not_found': 'NotFoundError',
};

const KATAPULT_REFUSALS: Readonly<Record<string, readonly [status: number, code: string]>> = {
  'authentication.required': [400, 'missing_api_token'],
  'authentication.invalid': [403, 'invalid_api_token'],
  'access.denied': [403, 'scope_not_granted'],
  'organization.suspended': [403, 'organization_suspended'],
  'organization.not_found': [404, 'organization_not_found'],
  'token.not_found': [404, 'api_token_not_found'],
};

/** The dialects beside the native one; one whose routes are gone is asked for nothing. */
export const DIALECTS = {
  oauth: {
    refusalFor: ({ status }) => ({ status, body: { error: OAUTH_ERRORS[status] } }),
    // RFC 6749 §5.2.
    isError: (contentType, { error, error_description: description, ...rest }) =>
      /^application\/json\b/.test(contentType) && [error, description].every(isText) && Object.keys(rest).length === 0,
  },
  unleash: {
    refusalFor: ({ status, code }) => ({ status, body: { name: UNLEASH_NAMES[code] ?? `no name for ${code}` } }),
    isError: (contentType, { id, name, message, details = [], permissions, ...rest }) =>
      /^application\/json\b/.test(contentType) &&
      UUID.test(String(id)) &&
      [name, message].every(isText) &&
      (details as { message: unknown; path: unknown }[]).every((one) => isText(one.message) && isText(one.path)) &&
      (permissions !== undefined) === (name === 'PermissionError') &&
      Object.keys(rest).length === 0,
    volatile: /(?<=^\{"id":")[^"]*(?=","name":)/,
    otherScheme: { status: 401, code: 'authentication.invalid' },
  },
  katapult: {
    refusalFor: ({ code: native }) => {
      const [status, code] = KATAPULT_REFUSALS[native] ?? [0, `no code for ${native}`];
      return { status, body: { code } };
    },
    isError: (contentType, { error, ...beside }) =>
      /^application\/json\b/.test(contentType) &&
      [beside['code'], beside['description']].every(isText) &&
      Object.keys(beside).join() === 'code,description,detail' &&
      JSON.stringify(error) === JSON.stringify(beside),
  },
} as const satisfies Readonly<Record<string, RouteDialect>>;

export type DialectName = keyof typeof DIALECTS;

function isText(value: unknown): boolean {
  return typeof value === 'string' && /\S/.test(value);
}

/** Asserts that an answer is a refusal, said as the dialect says it; without a dialect, as the native one does. */
export function expectRefused(answer: Answer, dialect: DialectName | undefined, refusal: NativeRefusal): void {
  if (dialect === undefined) return void expectProblem(answer, refusal.status, refusal.code);
  const { refusalFor, isError }: RouteDialect = DIALECTS[dialect];
  const { status, body } = refusalFor(refusal);
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body });
  const contentType = answer.headers.get('content-type') ?? '';
  expect(isError(contentType, answer.body as Record<string, unknown>)).toBe(true);
}

/** The status of a refusal in a dialect. */
export function statusOf(dialect: DialectName | undefined, refusal: NativeRefusal): number {
  return dialect === undefined ? refusal.status : DIALECTS[dialect].refusalFor(refusal).status;
}

/** The text of an answer without what differs from one error of a dialect to the next. */
export function withoutVolatile(text: string, dialect: DialectName | undefined): string {
  const { volatile }: Partial<RouteDialect> = dialect === undefined ? {} : DIALECTS[dialect];
  return volatile === undefined ? text : text.replace(volatile, '…');
}

/** What a request without an acceptable credential is refused with, where the dialect reads its header in another way. */
export function asRead(
  refusal: NativeRefusal,
  headers: Readonly<Record<string, string>>,
  dialect: DialectName | undefined,
): NativeRefusal {
  const { otherScheme }: Partial<RouteDialect> = dialect === undefined ? {} : DIALECTS[dialect];
  const isOfOtherScheme = headers['authorization'] !== undefined && !/^bearer\b/i.test(headers['authorization']);
  return isOfOtherScheme ? (otherScheme ?? refusal) : refusal;
}
