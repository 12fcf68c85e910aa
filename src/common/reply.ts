import type { FastifyReply } from 'fastify';
import { etagOf } from './etag.js';

/** Sends the version of what is answered as its ETag, and answers it. */
export function tagged<Row extends { readonly version: number }, T>(
  reply: FastifyReply,
  row: Row,
  render: (row: Row) => T,
): T {
  void reply.header('etag', etagOf(row));
  return render(row);
}

/** Tells a client that its Idempotency-Key was seen before and that nothing was created now. */
export function markReplay(reply: FastifyReply, isReplay: boolean): void {
  if (isReplay) void reply.header('idempotency-replayed', 'true');
}
