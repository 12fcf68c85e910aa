import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT, OPTIONAL_MOMENT } from '../database/column-types.js';

/** A person's place in an organization. Stays as a row after removal, so that their JWT does not bring them back. */
@Entity('memberships')
export class Membership {
  @PrimaryColumn('uuid')
  organizationId: string;

  @PrimaryColumn('uuid')
  userId: string;

  /** What this organization calls the person. */
  @Column('varchar', { nullable: true })
  name: string | null;

  @Column('integer')
  roleNumber: number;

  @Column(MOMENT)
  createdAt: Date;

  @Column(OPTIONAL_MOMENT)
  removedAt: Date | null;

  @Column('integer')
  version: number;
}
