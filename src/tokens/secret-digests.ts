import { createHash, createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config, PLAIN_DIGEST_ID } from '../config/config.js';
import { formOf, SECRET_LENGTH_MAX } from './token-secret.js';

export interface SecretDigest {
  readonly digest: Buffer;
  readonly pepperId: string;
}

/**
 * What is stored of a secret: HMAC-SHA-256 under a pepper that the database does not know. A dump of the database yields
 * no usable token, and write access to it forges none.
 */
@Injectable()
export class SecretDigests {
  constructor(private readonly config: Config) {}

  /** The digest of a new secret, under the first pepper. */
  forStorage(secret: string): SecretDigest {
    const [pepper] = this.config.peppers;
    return { digest: createHmac('sha256', pepper.key).update(secret).digest(), pepperId: pepper.id };
  }

  /**
   * Every digest under which a secret may be stored: one per live pepper, and for a secret that was made elsewhere its
   * plain SHA-256. Empty for a text whose form alone shows that it is none of ours.
   */
  forLookup(secret: string): Buffer[] {
    const form = formOf(this.config.settings.TOKEN_PREFIX, secret);
    if (form === 'malformed' || secret.length > SECRET_LENGTH_MAX) return [];
    const digests = this.config.peppers.map((pepper) => createHmac('sha256', pepper.key).update(secret).digest());
    if (form === 'foreign') digests.push(createHash('sha256').update(secret).digest());
    return digests;
  }

  /** Whether a stored digest should be replaced by one under the first pepper, now that the secret is at hand. */
  isOutdated(pepperId: string): boolean {
    return pepperId === PLAIN_DIGEST_ID || pepperId !== this.config.peppers[0].id;
  }
}
