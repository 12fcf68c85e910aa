import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ADDRESS_RANGES, BIGINT_NUMBER, MOMENT, OPTIONAL_MOMENT } from '../database/column-types.js';

/** A credential's metadata. What authenticates is its secrets. */
@Entity('tokens')
export class Token {
  @PrimaryColumn('uuid')
  id: string;

  @Column(BIGINT_NUMBER)
  number: number;

  @Column('uuid')
  organizationId: string;

  @Column('uuid', { nullable: true })
  serviceAccountId: string | null;

  @Column('uuid', { nullable: true })
  userId: string | null;

  /** The service account, the member, or the organization that it belongs to. */
  @Column({ type: 'uuid', insert: false, update: false, select: false })
  ownerId: string;

  @Column('varchar')
  slug: string;

  @Column('varchar')
  name: string;

  /** null: none of its own, it carries the role of its owner. */
  @Column('text', { array: true, nullable: true })
  scopes: string[] | null;

  @Column(ADDRESS_RANGES)
  authorizedIpAddresses: string[];

  /** Verifications and calls per minute; null: not limited by the token. */
  @Column('integer', { nullable: true })
  rateLimit: number | null;

  @Column(OPTIONAL_MOMENT)
  expiresAt: Date | null;

  @Column(OPTIONAL_MOMENT)
  revokedAt: Date | null;

  @Column('varchar', { nullable: true })
  revokedById: string | null;

  @Column('varchar', { nullable: true })
  revokedByName: string | null;

  @Column('integer')
  version: number;

  @Column(MOMENT)
  createdAt: Date;

  @Column('varchar')
  createdById: string;

  @Column('varchar', { nullable: true })
  createdByName: string | null;

  @Column({ ...OPTIONAL_MOMENT, insert: false, update: false })
  lastUsedAt: Date | null;

  @Column({ type: 'inet', nullable: true, insert: false, update: false })
  lastUsedIp: string | null;

  @Column({ type: 'varchar', nullable: true, insert: false, update: false })
  lastUsedUserAgent: string | null;
}
