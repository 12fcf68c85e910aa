import { Column, Entity, PrimaryColumn } from 'typeorm';
import { BIGINT_NUMBER, MOMENT, OPTIONAL_MOMENT } from '../database/column-types.js';

/** A machine's identity in an organization; its tokens are its credentials. */
@Entity('service_accounts')
export class ServiceAccount {
  @PrimaryColumn('uuid')
  id: string;

  @Column(BIGINT_NUMBER)
  number: number;

  @Column('uuid')
  organizationId: string;

  @Column('varchar')
  slug: string;

  @Column('varchar')
  externalId: string;

  @Column('varchar')
  name: string;

  @Column('varchar', { nullable: true })
  description: string | null;

  /** A ceiling on the scopes of its tokens; null: no ceiling. */
  @Column('integer', { nullable: true })
  roleNumber: number | null;

  @Column(OPTIONAL_MOMENT)
  disabledAt: Date | null;

  @Column(OPTIONAL_MOMENT)
  deletedAt: Date | null;

  @Column('integer')
  version: number;

  @Column(MOMENT)
  createdAt: Date;

  @Column('varchar')
  createdById: string;

  @Column('varchar', { nullable: true })
  createdByName: string | null;
}
