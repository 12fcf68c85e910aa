import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { normalizeAddress } from '../common/ip-address.js';
import { holdsSecret } from '../common/secret-shape.js';
import { Config } from '../config/config.js';
import type { OwningDataSource } from '../database/open-database.js';
import type { SecretDigest } from '../tokens/secret-digests.js';
import type { KnownCredential } from './known-credential.js';

const USER_AGENT_LENGTH_MAX = 200;
/** Rows of one statement; a longer list is written in several. */
const BATCH_ROWS_MAX = 5_000;

/**
 * Tokens are locked in one order, and a secret only after its token, as rotations do: so neither two processes that write
 * their uses nor a change of a token can wait for each other in a circle.
 */
const WRITE_USES = `
with uses as (
  select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::inet[], $5::text[]) as u (secret_id, token_id, at, ip, user_agent)
), locked as materialized (
  select t.id from tokens t where t.id in (select token_id from uses) order by t.id for no key update
), newest as (
  select distinct on (token_id) token_id, at, ip, user_agent from uses order by token_id, at desc
), written as (
  update tokens t set last_used_at = n.at, last_used_ip = n.ip, last_used_user_agent = n.user_agent
  from newest n join locked l on l.id = n.token_id
  where t.id = n.token_id and (t.last_used_at is null or t.last_used_at < n.at)
)
update token_secrets s set last_used_at = u.at
from uses u join locked l on l.id = u.token_id
where s.id = u.secret_id and (s.last_used_at is null or s.last_used_at < u.at)`;

/** What can be stored of a user agent; nothing of one that somebody put a secret into, since everybody who lists tokens reads it. */
function storableUserAgent(userAgent: string | undefined): string | null {
  if (userAgent === undefined || holdsSecret(userAgent)) return null;
  return userAgent.slice(0, USER_AGENT_LENGTH_MAX).replaceAll('\u0000', '').toWellFormed();
}

/** A secret that is to be stored under another digest, now that it was at hand. */
interface Rehash extends SecretDigest {
  readonly secretId: string;
  readonly previousPepperId: string;
}

/**
 * Notes the last use of tokens and secrets in memory and writes it in one statement every few seconds, and on shutdown.
 * Killed without warning, a process loses the uses since its last write: at most USAGE_FLUSH_INTERVAL_MS of them. What
 * is written never moves backwards.
 */
@Injectable()
export class UsageRecorder implements OnModuleInit {
  private readonly logger = new Logger(UsageRecorder.name);
  private used: KnownCredential[] = [];
  private rehashes: Rehash[] = [];
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  /** Uses that were not noted because too many waited. */
  dropped = 0;

  constructor(
    private readonly database: DataSource,
    private readonly config: Config,
  ) {
    (database as OwningDataSource).beforeClosing(() => this.stop());
  }

  onModuleInit(): void {
    this.timer = setInterval(() => void this.flush(), this.config.settings.USAGE_FLUSH_INTERVAL_MS);
    this.timer.unref();
  }

  private async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.flushing;
    await this.flush();
  }

  /** How many tokens have a use that waits to be written. */
  get waiting(): number {
    return this.used.length;
  }

  /** On the hot path: a few assignments, and no allocation after the first use since the last write. */
  note(credential: KnownCredential, now: number, ipAddress: string | undefined, userAgent: string | undefined): void {
    if (credential.usedAt === 0) {
      if (this.used.length >= this.config.settings.USAGE_BUFFER_MAX) {
        this.dropped++;
        return;
      }
      this.used.push(credential);
    }
    credential.usedAt = now;
    credential.usedIp = ipAddress;
    credential.usedUserAgent = userAgent;
  }

  noteRehash(rehash: Rehash): void {
    if (this.rehashes.length < BATCH_ROWS_MAX) this.rehashes.push(rehash);
  }

  /** Writes what is noted. What cannot be written now is tried again at the next turn. */
  async flush(): Promise<void> {
    if (this.flushing !== undefined) return this.flushing;
    this.flushing = this.write().finally(() => (this.flushing = undefined));
    return this.flushing;
  }

  private async write(): Promise<void> {
    const { used, rehashes } = this;
    this.used = [];
    this.rehashes = [];
    try {
      while (used.length > 0) await this.writeUses(used.splice(0, BATCH_ROWS_MAX));
      for (let rehash = rehashes.pop(); rehash !== undefined; rehash = rehashes.pop()) await this.rewriteDigest(rehash);
    } catch (error) {
      // Not pushed: as arguments of one call, as many as may wait would overflow the stack.
      this.used = this.used.concat(used);
      this.rehashes = this.rehashes.concat(rehashes);
      this.logger.warn(`Last uses could not be written: ${(error as Error).message}`);
    }
  }

  private async writeUses(batch: KnownCredential[]): Promise<void> {
    const uses = batch.map((credential) => ({
      credential,
      at: credential.usedAt,
      ip: credential.usedIp,
      userAgent: credential.usedUserAgent,
    }));
    for (const credential of batch) credential.usedAt = 0;
    // A secret that left the cache and came back may be there twice; its newest use counts.
    const newest = new Map<string, (typeof uses)[number]>();
    for (const use of uses)
      if ((newest.get(use.credential.secretId)?.at ?? 0) <= use.at) newest.set(use.credential.secretId, use);
    const rows = [...newest.values()];
    try {
      await this.database.query(WRITE_USES, [
        rows.map(({ credential }) => credential.secretId),
        rows.map(({ credential }) => credential.tokenId),
        rows.map(({ at }) => new Date(at)),
        rows.map(({ ip }) => (ip === undefined ? null : (normalizeAddress(ip) ?? null))),
        rows.map(({ userAgent }) => storableUserAgent(userAgent)),
      ]);
    } catch (error) {
      for (const { credential, at, ip, userAgent } of uses)
        if (credential.usedAt === 0) this.note(credential, at, ip, userAgent);
      throw error;
    }
  }

  private async rewriteDigest({ secretId, previousPepperId, digest, pepperId }: Rehash): Promise<void> {
    await this.database.query('update token_secrets set digest = $1, pepper_id = $2 where id = $3 and pepper_id = $4', [
      digest,
      pepperId,
      secretId,
      previousPepperId,
    ]);
  }
}
