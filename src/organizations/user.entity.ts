import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT } from '../database/column-types.js';

/** A person, as the identity provider knows them. Belongs to no organization by itself. */
@Entity('users')
export class User {
  @PrimaryColumn('uuid')
  id: string;

  @Column('varchar')
  issuer: string;

  @Column('varchar')
  subject: string;

  @Column(MOMENT)
  createdAt: Date;
}
