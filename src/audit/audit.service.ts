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

/** A row of audit_events as JSON; the database adds its place in the chain. */
export type AuditEventRow = Readonly<Record<string, unknown>>;

const INSERT_EVENT = prepared(`
insert into audit_events (id, organization_id, created_at, type, actor_kind, actor_id, actor_name, credential_id, ip_address,
  request_id, resource_type, resource_id, before, after)
select id, organization_id, created_at, type, actor_kind, actor_id, actor_name, credential_id, ip_address, request_id,
  resource_type, resource_id, before, after
from jsonb_populate_record(null::audit_events, $1)`);

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
    if (tx.queryRunner === undefined) throw new Error('An audit event is written in the transaction of its change.');
    await runPrepared(tx, INSERT_EVENT, [JSON.stringify(this.eventOf(caller, entry))]);
    this.announce(tx, caller, entry);
  }

  /** The event for a statement that writes a change together with it; `announce` has to follow the statement. */
  eventOf({ principal, ipAddress, requestId }: Caller, entry: AuditEntry): AuditEventRow {
    return {
      id: uuidv7(),
      organization_id: entry.organizationId ?? principal.organizationId,
      created_at: new Date(),
      type: entry.type,
      actor_kind: principal.kind,
      actor_id: principal.id,
      actor_name: principal.name,
      credential_id: principal.tokenId,
      ip_address: ipAddress,
      request_id: requestId,
      resource_type: resourceTypeOf(entry),
      resource_id: entry.resourceId,
      before: entry.before,
      after: entry.after,
    };
  }

  /** Tells this process of a change that has been written: when the transaction commits or, outside of one, at once. */
  announce({ queryRunner }: EntityManager, { principal }: Caller, entry: AuditEntry): void {
    const { type, resourceId, organizationId = principal.organizationId } = entry;
    const change = { organizationId, resourceType: resourceTypeOf(entry), resourceId, type };
    if (queryRunner === undefined) this.feed.announceHere(change);
    else ((queryRunner.data as TransactionData).changes ??= []).push(change);
  }
}

function resourceTypeOf({ type }: AuditEntry): string {
  return type.slice(0, type.indexOf('.'));
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
