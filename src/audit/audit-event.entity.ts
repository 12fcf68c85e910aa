import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT } from '../database/column-types.js';

/** One change, written in its transaction. The database links it to its predecessor and refuses to change or delete it. */
@Entity('audit_events')
export class AuditEvent {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  organizationId: string;

  /** Place in the organization's chain, from 1; given by the database. */
  @Column({ type: 'bigint', insert: false, update: false })
  sequence: string;

  @Column(MOMENT)
  createdAt: Date;

  @Column('varchar')
  type: string;

  @Column('varchar')
  actorKind: string;

  @Column('varchar')
  actorId: string;

  @Column('varchar', { nullable: true })
  actorName: string | null;

  /** The token that was used; null for a JWT or the system itself. */
  @Column('uuid', { nullable: true })
  credentialId: string | null;

  @Column('inet', { nullable: true })
  ipAddress: string | null;

  @Column('varchar')
  requestId: string;

  @Column('varchar')
  resourceType: string;

  @Column('uuid')
  resourceId: string;

  @Column('jsonb', { nullable: true })
  before: Record<string, unknown> | null;

  @Column('jsonb', { nullable: true })
  after: Record<string, unknown> | null;

  @Column({ type: 'bytea', insert: false, update: false })
  hash: Buffer;
}
