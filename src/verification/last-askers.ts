import { SECRET_LENGTH_MAX } from '../tokens/token-secret.js';
import { type CredentialCache, keyOf } from './credential-cache.js';
import type { KnownCredential } from './known-credential.js';

interface LastAsker {
  readonly secret: string;
  readonly known: KnownCredential;
  /** Of the cache, when it was found there. */
  readonly revision: number;
}

/** Who asked last on each connection: most often the one who asks next, whose secret need not be hashed and looked up again then. */
export class LastAskers {
  private readonly byConnection = new WeakMap<object, LastAsker>();

  constructor(private readonly cache: CredentialCache) {}

  /** What the cache holds for the secret. */
  recall(connection: object, secret: string, now: number): KnownCredential | undefined {
    const last = this.byConnection.get(connection);
    const { revision } = this.cache;
    if (last?.revision === revision && last.secret === secret && this.cache.isRecent(last.known, now))
      return last.known;
    if (secret.length > SECRET_LENGTH_MAX) return undefined;
    const known = this.cache.get(keyOf(secret), now);
    if (known !== undefined) this.byConnection.set(connection, { secret, known, revision: this.cache.revision });
    return known;
  }
}
