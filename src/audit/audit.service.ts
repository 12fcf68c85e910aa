import { Injectable } from '@nestjs/common';
import {
  DataSource,
  type EntityManager,
  type EntitySubscriberInterface,
  type TransactionCommitEvent,
  type TransactionRollbackEvent,
} from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../access/principal.js';
import { type Change, ChangeFeed } from '../database/change-feed.js';
import { prepared, runPrepared } from '../database/prepared-statement.js';

/** What kind of thing a change is about; every process tells from it what to forget. */
export type AuditedResource = 'organization' | 'member' | 'role' | 'service_account' | 'token';

export type AuditEventType =
  | 'organization.created'
  | 'organization.updated'
  | 'organization.suspended'
  | 'organization.resumed'
  | 'member.added'
  | 'member.role_changed'
  | 'member.removed'
  | 'role.created'
  | 'role.updated'
  | 'role.deleted'
  | 'service_account.created'
  | 'service_account.updated'
  | 'service_account.disabled'
  | 'service_account.enabled'
  | 'service_account.deleted'
  | 'token.issued'
  | 'token.updated'
  | 'token.rotated'
  | 'token.revoked';

/** What happened to what. `before` and `after` hold the members that changed; never a secret or a digest. */
export interface AuditEntry {
  readonly type: AuditEventType;
  readonly resourceId: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  /** Where the change happened, when it is not the caller's own organization. */
  readonly organizationId?: string;
}

const INSERT_EVENT = prepared(`
insert into audit_events (id, organization_id, created_at, type, actor_kind, actor_id, actor_name, credential_id, ip_address,
  request_id, resource_type, resource_id, before, after)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`);

/** Where a transaction keeps what it has written down, until it has committed. */
interface TransactionData {
  changes?: Change[];
}

@Injectable()
export class AuditService implements EntitySubscriberInterface {
  constructor(
    database: DataSource,
    private readonly feed: ChangeFeed,
  ) {
    database.subscribers.push(this);
  }

  /**
   * Called before the operation that changed something answers: whoever reads the answer will not find the old state in
   * this process any more, though the notification may still be on its way.
   */
  afterTransactionCommit({ queryRunner }: TransactionCommitEvent): void {
    const data = queryRunner.data as TransactionData;
    for (const change of data.changes ?? []) this.feed.announceHere(change);
    delete data.changes;
  }

  afterTransactionRollback({ queryRunner }: TransactionRollbackEvent): void {
    delete (queryRunner.data as TransactionData).changes;
  }

  /**
   * Writes down a change in the transaction of the change. The database links the event to the organization's chain and
   * announces it to all processes when the transaction commits. Call it after the other statements of the transaction:
   * from here until the commit, other changes of the same organization wait.
   */
  async record(tx: EntityManager, caller: Caller, entry: AuditEntry): Promise<void> {
    const { principal } = caller;
    const resourceType: string = entry.type.slice(0, entry.type.indexOf('.'));
    await runPrepared(tx, INSERT_EVENT, [
      uuidv7(),
      entry.organizationId ?? principal.organizationId,
      new Date(),
      entry.type,
      principal.kind,
      principal.id,
      principal.name ?? null,
      principal.tokenId ?? null,
      caller.ipAddress ?? null,
      caller.requestId,
      resourceType,
      entry.resourceId,
      entry.before ? JSON.stringify(entry.before) : null,
      entry.after ? JSON.stringify(entry.after) : null,
    ]);
    if (tx.queryRunner === undefined) throw new Error('An audit event is written in the transaction of its change.');
    const organizationId = entry.organizationId ?? principal.organizationId;
    const data = tx.queryRunner.data as TransactionData;
    (data.changes ??= []).push({ organizationId, resourceType, resourceId: entry.resourceId, type: entry.type });
  }
}

/** The members of `next` that differ from `previous`, as `before` and `after` of an audit entry. */
export function changedMembers<T extends object>(
  previous: T,
  next: Partial<T>,
): { before: Partial<T>; after: Partial<T> } | undefined {
  const names = (Object.keys(next) as (keyof T)[]).filter(
    (name) => JSON.stringify(previous[name]) !== JSON.stringify(next[name]),
  );
  if (names.length === 0) return undefined;
  const pick = (from: Partial<T>): Partial<T> =>
    Object.fromEntries(names.map((name) => [name, from[name] ?? null])) as Partial<T>;
  return { before: pick(previous), after: pick(next) };
}
