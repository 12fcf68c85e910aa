import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT } from '../database/column-types.js';

/** A custom role. Built-in ones are in `access/built-in-roles.ts`. */
@Entity('roles')
export class Role {
  @PrimaryColumn({ type: 'integer', generated: 'identity', generatedIdentity: 'ALWAYS' })
  number: number;

  @Column('uuid')
  organizationId: string;

  @Column('uuid')
  id: string;

  @Column('varchar')
  slug: string;

  @Column('varchar')
  name: string;

  @Column('varchar', { nullable: true })
  description: string | null;

  @Column('text', { array: true })
  scopes: string[];

  @Column('integer')
  version: number;

  @Column(MOMENT)
  createdAt: Date;
}
