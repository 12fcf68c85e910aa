import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key and a value that the product attaches to a token, and finds it by. */
@Entity('annotations')
export class Annotation {
  @Column('uuid')
  organizationId: string;

  @PrimaryColumn('uuid')
  tokenId: string;

  @PrimaryColumn('varchar')
  key: string;

  @Column('varchar')
  value: string;
}
