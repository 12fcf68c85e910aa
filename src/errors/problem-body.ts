import { CATALOGUE } from './catalogue.js';
import type { ProblemDetailResponse, ProblemResponse } from './problem.response.js';
import { echo, type Refusal, type RefusalDetail, withoutSecrets } from './refusal.js';

/** The request that is refused, as far as its answer tells of it. */
export interface RefusedRequest {
  readonly id: string;
  /** As it was sent, without its query, which may hold anything. */
  readonly path: string;
  readonly body?: unknown;
}

/** The problem+json body of a refusal (RFC 9457). The one place through which refusals leave, so that no secret gets by. */
export function problemBody(refusal: Refusal, publicUrl: string, request: RefusedRequest): ProblemResponse {
  const { title, status } = CATALOGUE[refusal.code];
  return {
    type: `${publicUrl}/problems/${refusal.code}`,
    title,
    status,
    detail: withoutSecrets(refusal.message),
    instance: withoutSecrets(request.path),
    code: refusal.code,
    requestId: request.id,
    ...(refusal.more.errors ? { errors: refusal.more.errors.map((error) => tellDetail(error, request.body)) } : {}),
  };
}

/** What is wrong in one place, and what was sent there as far as it may be shown: for dialects, too. */
export function tellDetail({ location, message, value }: RefusalDetail, body: unknown): ProblemDetailResponse {
  const shown = echo(location, value ?? sentAt(location, body));
  const told = { location: withoutSecrets(location), message: withoutSecrets(message) };
  return shown === undefined ? told : { ...told, value: shown };
}

/** What the body held at `body.scopes[1]`. */
function sentAt(location: string, body: unknown): unknown {
  if (!location.startsWith('body.')) return undefined;
  let value = body;
  for (const step of location.slice('body.'.length).split(/[.[\]]+/)) {
    if (step === '') continue;
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}
