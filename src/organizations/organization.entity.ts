import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT, OPTIONAL_MOMENT } from '../database/column-types.js';

/** A tenant. */
@Entity('organizations')
export class Organization {
  @PrimaryColumn('uuid')
  id: string;

  @Column('varchar')
  slug: string;

  /** The value of the organization claim in JWTs; null for an organization that no JWT may enter. */
  @Column('varchar', { nullable: true })
  externalId: string | null;

  @Column('varchar')
  name: string;

  /** The operator's own organization. */
  @Column('boolean')
  isPlatform: boolean;

  @Column(OPTIONAL_MOMENT)
  suspendedAt: Date | null;

  @Column('integer', { nullable: true })
  tokenLifetimeMaxSeconds: number | null;

  @Column('integer', { nullable: true })
  tokenLifetimeDefaultSeconds: number | null;

  @Column('integer')
  version: number;

  @Column(MOMENT)
  createdAt: Date;
}
