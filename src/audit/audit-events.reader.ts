import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { PageRequest } from '../common/pagination.js';
import { AuditEvent } from './audit-event.entity.js';

export interface AuditFilter {
  readonly type?: string;
  readonly actorId?: string;
  readonly resourceId?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** The first event whose hash does not follow from its predecessor, or the length of a chain without one. */
export type ChainVerdict =
  { readonly isIntact: true; readonly length: number } | { readonly isIntact: false; readonly brokenAt: number };

@Injectable()
export class AuditEventsReader {
  constructor(private readonly database: DataSource) {}

  /** Newest first; one more than the page's limit when there is more. */
  async list(organizationId: string, filter: AuditFilter, { limit, after }: PageRequest): Promise<AuditEvent[]> {
    const query = this.database.manager
      .createQueryBuilder(AuditEvent, 'e')
      .where('e.organization_id = :organizationId', { organizationId })
      .orderBy('e.createdAt', 'DESC')
      .addOrderBy('e.id', 'DESC')
      .take(limit + 1);
    if (filter.type !== undefined) query.andWhere('e.type = :type', filter);
    if (filter.actorId !== undefined) query.andWhere('e.actor_id = :actorId', filter);
    if (filter.resourceId !== undefined) query.andWhere('e.resource_id = :resourceId', filter);
    if (filter.since !== undefined) query.andWhere('e.created_at >= :since', filter);
    if (filter.until !== undefined) query.andWhere('e.created_at < :until', filter);
    if (after) query.andWhere('(e.created_at, e.id) < (:createdAt, :id)', after);
    return query.getMany();
  }

  /** Recomputes the chain of an organization in the database: sequence without gaps, each hash following from the one before, and the head as it was kept. */
  async verifyChain(organizationId: string): Promise<ChainVerdict> {
    const [broken]: { sequence: string }[] = await this.database.query(
      `select e.sequence from (
         select e.*, row_number() over chain as expected, lag(e.hash, 1, ''::bytea) over chain as predecessor
         from audit_events e where e.organization_id = $1 window chain as (order by e.sequence)) as e
       where e.sequence <> e.expected or e.previous_hash <> e.predecessor
         or e.hash <> audit_event_hash(e.predecessor, e.sequence, (select o from audit_events o where o.organization_id = e.organization_id and o.sequence = e.sequence))
       order by e.sequence limit 1`,
      [organizationId],
    );
    if (broken !== undefined) return { isIntact: false, brokenAt: Number(broken.sequence) };
    const [head]: { sequence: string; isLast: boolean }[] = await this.database.query(
      `select c.sequence, exists (select 1 from audit_events e where e.organization_id = $1 and e.sequence = c.sequence and e.hash = c.hash) as "isLast"
       from audit_chains c where c.organization_id = $1`,
      [organizationId],
    );
    if (head === undefined) return { isIntact: true, length: 0 };
    return head.isLast
      ? { isIntact: true, length: Number(head.sequence) }
      : { isIntact: false, brokenAt: Number(head.sequence) };
  }
}
