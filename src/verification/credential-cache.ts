import { hash } from 'node:crypto';
import type { Change } from '../database/change-feed.js';
import type { KnownCredential } from './known-credential.js';

/** A read of the database that has not come back yet, and what changed meanwhile. */
export interface PendingRead {
  readonly changed: Set<string>;
  isOvertaken: boolean;
}

/** Changes after which nothing that is kept says anything wrong: they bring something new, which nobody can have asked for. */
const HARMLESS = new Set(['organization.created', 'role.created', 'service_account.created', 'token.issued']);

/**
 * Credentials in memory, by the hash of their secret. Bounded: two generations, of which the older one is dropped when the
 * younger one is full, so that what was used of late stays and a hit costs one look-up.
 *
 * A row that was read while its credential was being changed must not be kept: the notification has passed by then, and
 * the old row would be believed until its time is over. So each read notes what changes while it is under way.
 */
export class CredentialCache {
  private young = new Map<string, KnownCredential>();
  private old = new Map<string, KnownCredential>();
  /** Keys by token, since most changes are about one token; a list where a token has several secrets. */
  private keysByToken = new Map<string, string | readonly string[]>();
  private readonly pending = new Set<PendingRead>();
  private forgettings = 0;

  constructor(
    private readonly entriesMax: number,
    private readonly ttlMs: number,
  ) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Differs after anything was forgotten: who remembers what the cache held before has to look again. */
  get revision(): number {
    return this.forgettings;
  }

  get(key: string, now: number): KnownCredential | undefined {
    const hit = this.young.get(key);
    if (hit !== undefined) return this.isRecent(hit, now) ? hit : undefined;
    const aged = this.old.get(key);
    if (aged === undefined || !this.isRecent(aged, now)) return undefined;
    this.old.delete(key);
    this.insert(key, aged);
    return aged;
  }

  /** Whether it was read so lately that it may be believed, as far as its age goes. */
  isRecent(credential: KnownCredential, now: number): boolean {
    return credential.readAt + this.ttlMs > now;
  }

  /** Announces a read; call it before the statement is sent. */
  beginRead(): PendingRead {
    const read = { changed: new Set<string>(), isOvertaken: false };
    this.pending.add(read);
    return read;
  }

  endRead(read: PendingRead): void {
    this.pending.delete(read);
  }

  /** Keeps what a read brought, unless it may be outdated already. */
  keep(read: PendingRead, key: string, credential: KnownCredential): void {
    if (read.isOvertaken) return;
    for (const id of read.changed) if (credential.dependsOn(id)) return;
    this.insert(key, credential);
    const keys = this.keysOf(credential.tokenId);
    if (keys.includes(key)) return;
    this.keysByToken.set(credential.tokenId, keys.length === 0 ? key : [...keys, key]);
  }

  /** Forgets whatever a change may have made wrong. */
  apply(change: Change): void {
    if (HARMLESS.has(change.type)) return;
    this.forgettings++;
    const subject = change.resourceType === 'role' ? change.organizationId : change.resourceId;
    for (const read of this.pending) read.changed.add(subject);
    if (change.resourceType === 'token') this.forgetToken(subject);
    else this.forgetDependents(subject);
  }

  /** Forgets everything, what is being read included. */
  clear(): void {
    this.forgettings++;
    this.young = new Map();
    this.old = new Map();
    this.keysByToken = new Map();
    for (const read of this.pending) read.isOvertaken = true;
  }

  private keysOf(tokenId: string): readonly string[] {
    const keys = this.keysByToken.get(tokenId);
    return typeof keys === 'string' ? [keys] : (keys ?? []);
  }

  private insert(key: string, credential: KnownCredential): void {
    this.young.set(key, credential);
    if (this.young.size * 2 < this.entriesMax) return;
    this.forgettings++;
    for (const dropped of this.old.values()) this.forgetKeys(dropped.tokenId);
    this.old = this.young;
    this.young = new Map();
  }

  /** Keys of a token that has left both generations. One that came back meanwhile is in the younger one, and keeps its keys. */
  private forgetKeys(tokenId: string): void {
    const isKept = this.keysOf(tokenId).some((key) => this.young.has(key));
    if (!isKept) this.keysByToken.delete(tokenId);
  }

  private forgetToken(tokenId: string): void {
    const keys = this.keysOf(tokenId);
    this.keysByToken.delete(tokenId);
    for (const key of keys) {
      this.young.delete(key);
      this.old.delete(key);
    }
  }

  /** Accounts, members, roles and organizations change seldom, so looking through all entries is cheaper than keeping more indexes. */
  private forgetDependents(subject: string): void {
    for (const generation of [this.young, this.old]) {
      for (const [key, credential] of generation) {
        if (!credential.dependsOn(subject)) continue;
        generation.delete(key);
        this.keysByToken.delete(credential.tokenId);
      }
    }
  }
}

/** Under which a secret is kept in memory: its SHA-256, as 32 one-byte characters. */
export function keyOf(secret: string): string {
  return hash('sha256', secret, 'binary');
}
