import { randomUUID } from 'node:crypto';
import { holdsSecret } from './secret-shape.js';

/** The caller's X-Request-Id where it is harmless, or one of ours: it is logged, kept in the audit trail and answered. */
export function requestIdOf(request: { headers: Record<string, string | string[] | undefined> }): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && /^[\w.:-]{1,128}$/.test(sent) && !holdsSecret(sent) ? sent : randomUUID();
}
