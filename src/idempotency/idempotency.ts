import { createHash } from 'node:crypto';
import { createParamDecorator, type ExecutionContext, Injectable } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../access/principal.js';
import { Config } from '../config/config.js';
import { invalidAt, Refusal } from '../errors/refusal.js';

/** A creation that its client may send again without creating twice. */
export interface IdempotentRequest {
  readonly key: string;
  /** SHA-256 of method, path and body: the same key for another request is a mistake of the client. */
  readonly digest: Buffer;
}

/** The Idempotency-Key of the request, if it has one. */
export const Idempotency = createParamDecorator(
  (_: unknown, context: ExecutionContext): IdempotentRequest | undefined => {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (key === undefined) return undefined;
    if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw invalidAt('header.idempotency-key', 'must be 1 to 255 printable ASCII characters without spaces');
    }
    return { key, digest: digestOf(request) };
  },
);

function digestOf({ method, url, body }: FastifyRequest): Buffer {
  try {
    return createHash('sha256')
      .update(JSON.stringify([method, url, body]))
      .digest();
  } catch (error) {
    // A body that is nested some ten thousand levels deep exhausts the stack here, before its rules are looked at.
    if (error instanceof RangeError) throw invalidAt('body', 'is nested too deep');
    throw error;
  }
}

/** Documents the header on an operation that creates. */
export function ApiIdempotent(): MethodDecorator {
  return ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'Sent again with the same key, the request creates nothing more and answers the same metadata; a secret is not shown again.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  });
}

@Injectable()
export class IdempotencyService {
  constructor(private readonly config: Config) {}

  /**
   * Claims the key for a resource that is about to be created in this transaction; a second request with the key waits
   * until the first one has committed or failed.
   * @returns the id of the resource that an earlier request created, or undefined when this one is to create it
   * @throws Refusal request.idempotency_key_reused when the earlier request was a different one
   */
  async claim(
    tx: EntityManager,
    caller: Caller,
    request: IdempotentRequest,
    resourceId: string,
  ): Promise<string | undefined> {
    const now = Date.now();
    const expired = new Date(now - this.config.settings.IDEMPOTENCY_TTL_SECONDS * 1_000);
    const scope = [caller.principal.organizationId, caller.principal.id, request.key];
    const claimed: unknown[] = await tx.query(
      `insert into idempotency_keys as existing (organization_id, principal_id, key, request_digest, resource_id, created_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict on constraint pk_idempotency_keys do update
         set request_digest = excluded.request_digest, resource_id = excluded.resource_id, created_at = excluded.created_at
         where existing.created_at < $7
       returning resource_id`,
      [...scope, request.digest, resourceId, new Date(now), expired],
    );
    // A few of what is past its time go with each claim, so the table stays as small as a day's traffic.
    await tx.query(
      `delete from idempotency_keys where ctid = any (array(
         select ctid from idempotency_keys where created_at < $1 order by created_at limit 10 for update skip locked))`,
      [expired],
    );
    if (claimed.length > 0) return undefined;
    const [earlier]: { request_digest: Buffer; resource_id: string }[] = await tx.query(
      'select request_digest, resource_id from idempotency_keys where organization_id = $1 and principal_id = $2 and key = $3',
      scope,
    );
    if (!earlier?.request_digest.equals(request.digest)) throw new Refusal('request.idempotency_key_reused');
    return earlier.resource_id;
  }
}
