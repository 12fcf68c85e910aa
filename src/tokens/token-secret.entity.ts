import { Column, Entity, PrimaryColumn } from 'typeorm';
import { MOMENT, OPTIONAL_MOMENT } from '../database/column-types.js';

/** What authenticates: the digest of a secret. A token has one, and during a rotation several. */
@Entity('token_secrets')
export class TokenSecret {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  organizationId: string;

  @Column('uuid')
  tokenId: string;

  @Column('bytea', { select: false })
  digest: Buffer;

  /** The pepper that the digest was made with; `sha256` for an imported digest that was not used yet. */
  @Column('varchar')
  pepperId: string;

  @Column(MOMENT)
  createdAt: Date;

  /** From then on it no longer authenticates. */
  @Column(OPTIONAL_MOMENT)
  retiresAt: Date | null;

  @Column({ ...OPTIONAL_MOMENT, insert: false, update: false })
  lastUsedAt: Date | null;
}
