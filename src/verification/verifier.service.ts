import { Injectable } from '@nestjs/common';
import type { Principal, RequestOrigin } from '../access/principal.js';
import { Config } from '../config/config.js';
import { ChangeFeed } from '../database/change-feed.js';
import { LookUps } from '../database/look-ups.js';
import { Refusal } from '../errors/refusal.js';
import { FailureLimiter } from '../rate-limit/failure-limiter.js';
import { RateLimiter, type RateState } from '../rate-limit/rate-limiter.service.js';
import { SecretDigests } from '../tokens/secret-digests.js';
import { SECRET_LENGTH_MAX } from '../tokens/token-secret.js';
import { CredentialCache, keyOf } from './credential-cache.js';
import { CredentialHolders } from './credential-holder.js';
import { CREDENTIAL_QUERY, type CredentialRow } from './credential-query.js';
import { KnownCredential } from './known-credential.js';
import { LastAskers } from './last-askers.js';
import { UnknownSecrets } from './unknown-secrets.js';
import { UsageRecorder } from './usage-recorder.js';
import type { VerificationCode } from './verification-code.js';
import { VerificationCounters } from './verification-counters.js';

/** What is asked about a secret. */
export interface VerificationRequest {
  readonly secret: string;
  /** All of them are needed. */
  readonly scopes: readonly string[];
  /** Where the bearer calls from. */
  readonly ipAddress: string | undefined;
  readonly userAgent: string | undefined;
  /** How much of the token's rate limit the request is worth. */
  readonly cost: number;
  /** Whose failures a failure counts with: the bearer's address where it is known, else the address of who asks. */
  readonly failureAddress: string | undefined;
  /** Only tokens of this organization exist; undefined: those of every organization do. */
  readonly withinOrganizationId: string | undefined;
}

export interface Verification {
  readonly code: VerificationCode;
  /** Absent for NOT_FOUND, and where the address has failed too often to be told anything. */
  readonly credential: KnownCredential | undefined;
  /** State of the token's own rate limit, where it has one and was counted. */
  readonly rate: RateState | undefined;
}

/** A secret of a batch that is not in memory. */
interface MissingSecret {
  readonly secret: string;
  readonly digests: readonly Buffer[];
  readonly failureAddress: string | undefined;
}

const NOT_FOUND: Verification = { code: 'NOT_FOUND', credential: undefined, rate: undefined };
const TOO_MANY_FAILURES: Verification = { code: 'RATE_LIMITED', credential: undefined, rate: undefined };

const NOTHING_READ: ReadonlyMap<string, undefined> = new Map<string, undefined>();

/** A look-up that was not made, because the address has asked for too many unknown secrets. */
const WITHHELD = Symbol('withheld');
type Found = KnownCredential | undefined | typeof WITHHELD;

/**
 * Decides about secrets, for the guard of the management API and for everybody who asks: one verifier, one truth.
 *
 * A good answer from memory takes a hash, a look-up and comparisons. It is given only while the change feed proves that
 * nothing older than the stated bound was missed; otherwise the database is asked, and when that cannot answer either,
 * nobody gets a yes.
 */
@Injectable()
export class Verifier {
  private readonly cache: CredentialCache;
  private readonly holders: CredentialHolders;
  private readonly unknown: UnknownSecrets;
  /** Reads under way, by the hash of the secret: a hundred requests with a new token ask once. */
  private readonly reads = new Map<string, Promise<KnownCredential | undefined>>();
  private readonly lastAskers: LastAskers;

  constructor(
    private readonly lookUps: LookUps,
    private readonly digests: SecretDigests,
    private readonly feed: ChangeFeed,
    private readonly usage: UsageRecorder,
    private readonly rateLimiter: RateLimiter,
    private readonly failures: FailureLimiter,
    private readonly counters: VerificationCounters,
    config: Config,
  ) {
    const { settings } = config;
    this.cache = new CredentialCache(settings.CREDENTIAL_CACHE_MAX, settings.CREDENTIAL_CACHE_TTL_SECONDS * 1_000);
    this.holders = new CredentialHolders(settings.CREDENTIAL_SHARED_CHARACTERS_MAX);
    this.lastAskers = new LastAskers(this.cache);
    this.unknown = new UnknownSecrets(settings.UNKNOWN_CACHE_MAX, settings.UNKNOWN_CACHE_TTL_MS);
    feed.onChange((change) => {
      this.cache.apply(change);
      this.reads.clear(); // whoever asks from now on is not answered from a read that began before the change
      if (change.at !== undefined) counters.observePropagation(change.at);
    });
    feed.onGap(() => {
      this.cache.clear();
      this.reads.clear();
    });
  }

  /** How many secrets are in memory. */
  get cachedSecrets(): number {
    return this.cache.size;
  }

  /** Answers at once where it can, so that the hot path waits for no microtask. Rejects when the database is needed and cannot answer. */
  verify(request: VerificationRequest): Verification | Promise<Verification> {
    const now = Date.now();
    const found = this.find(request.secret, request.failureAddress, now);
    if (found instanceof Promise) return found.then((late) => this.judge(late, request, Date.now()));
    return this.judge(found, request, now);
  }

  /**
   * Lets the bearer of a secret in.
   * @throws Refusal authentication.invalid (one answer for unknown, revoked, expired and disabled), access.address_not_authorized,
   * organization.suspended, rate_limit.exceeded for an address with too many failures
   */
  async authenticate(secret: string, origin: RequestOrigin, userAgent?: string): Promise<Principal> {
    const now = Date.now();
    const found = await this.find(secret, origin.ipAddress, now);
    if (found === WITHHELD) throw new Refusal('rate_limit.exceeded', undefined, { headers: { 'retry-after': '1' } });
    if (found === undefined) throw new Refusal('authentication.invalid');
    const state = found.stateAt(now);
    if (state === 'SUSPENDED') throw new Refusal('organization.suspended');
    if (state !== 'VALID') throw new Refusal('authentication.invalid');
    if (!found.allowsAddress(origin.ipAddress)) throw new Refusal('access.address_not_authorized');
    this.usage.note(found, now, origin.ipAddress, userAgent);
    return found.toPrincipal();
  }

  /** The credential of who asks on the verification plane, without the detour over a principal. @throws as `authenticate` */
  async findAsker(secret: string, ipAddress: string | undefined, userAgent?: string): Promise<KnownCredential> {
    const asker = this.admit(await this.find(secret, ipAddress, Date.now()), ipAddress);
    this.usage.note(asker, Date.now(), ipAddress, userAgent);
    return asker;
  }

  /** The same when it is in memory and good; undefined when it takes more than that to tell. */
  findAskerNow(
    connection: object,
    secret: string,
    ipAddress: string | undefined,
    userAgent?: string,
  ): KnownCredential | undefined {
    const now = Date.now();
    if (!this.feed.isFresh(now)) return undefined;
    const known = this.lastAskers.recall(connection, secret, now);
    if (known === undefined || known.stateAt(now) !== 'VALID' || !known.allowsAddress(ipAddress)) return undefined;
    this.usage.note(known, now, ipAddress, userAgent);
    return known;
  }

  /**
   * Verifies many: what is not in memory is read with one statement, so that a thousand questions do not wait for a
   * thousand answers of a slow database. All are judged at one moment, after that. Rejects when the database is needed and
   * cannot answer.
   */
  async verifyMany(requests: readonly VerificationRequest[]): Promise<Verification[]> {
    const keys = requests.map(({ secret }) => (secret.length > SECRET_LENGTH_MAX ? '' : keyOf(secret)));
    const read = await this.readMissing(requests, keys);
    const now = Date.now();
    const verifications = requests.map((request, index) => {
      const key = keys[index];
      const found = read.has(key) ? read.get(key) : this.find(request.secret, request.failureAddress, now, key);
      if (found instanceof Promise) return found.then((late) => this.judge(late, request, Date.now()));
      return this.judge(found, request, now);
    });
    return Promise.all(verifications.map((one) => Promise.resolve(one)));
  }

  private admit(found: Found, ipAddress: string | undefined): KnownCredential {
    if (found === WITHHELD) throw new Refusal('rate_limit.exceeded', undefined, { headers: { 'retry-after': '1' } });
    const state = found?.stateAt(Date.now());
    if (found === undefined || state !== 'VALID')
      throw new Refusal(state === 'SUSPENDED' ? 'organization.suspended' : 'authentication.invalid');
    if (!found.allowsAddress(ipAddress)) throw new Refusal('access.address_not_authorized');
    return found;
  }

  private judge(found: Found, request: VerificationRequest, now: number): Verification | Promise<Verification> {
    if (found === WITHHELD) return this.counted(TOO_MANY_FAILURES);
    const { withinOrganizationId } = request;
    // A token of another organization is as unknown as one that never was.
    if (found === undefined || (withinOrganizationId !== undefined && found.organizationId !== withinOrganizationId))
      return this.counted(NOT_FOUND);
    const state = found.stateAt(now);
    if (state !== 'VALID') return this.counted({ code: state, credential: found, rate: undefined });
    if (!found.allowsAddress(request.ipAddress))
      return this.counted({ code: 'FORBIDDEN_ADDRESS', credential: found, rate: undefined });
    if (request.scopes.length > 0 && !found.holdsAll(request.scopes))
      return this.counted({ code: 'INSUFFICIENT_SCOPE', credential: found, rate: undefined });
    if (found.rateLimit === null) return this.accepted(found, undefined, request, now);
    return this.rateLimiter.consume(`credential:${found.tokenId}`, found.rateLimit, request.cost).then((rate) => {
      if (rate.isExceeded) return this.counted({ code: 'RATE_LIMITED', credential: found, rate });
      return this.accepted(found, rate, request, now);
    });
  }

  private accepted(
    credential: KnownCredential,
    rate: RateState | undefined,
    request: VerificationRequest,
    now: number,
  ): Verification {
    this.usage.note(credential, now, request.ipAddress, request.userAgent);
    return this.counted({ code: 'VALID', credential, rate });
  }

  private counted(verification: Verification): Verification {
    this.counters.count(verification.code);
    return verification;
  }

  private find(
    secret: string,
    failureAddress: string | undefined,
    now: number,
    knownKey?: string,
  ): Found | Promise<Found> {
    if (secret.length === 0 || secret.length > SECRET_LENGTH_MAX) return undefined;
    const key = knownKey ?? keyOf(secret);
    const isFresh = this.feed.isFresh(now);
    if (isFresh) {
      const known = this.cache.get(key, now);
      if (known !== undefined) {
        this.counters.hits++;
        return known;
      }
      if (this.unknown.has(key, now)) {
        this.counters.hits++;
        return undefined;
      }
    }
    const digests = this.digests.forLookup(secret);
    if (digests.length === 0) return undefined; // its form alone tells: no hash under a pepper, no query
    if (this.failures.isBlocked(failureAddress, now) && !this.failures.mayProbe(failureAddress, now)) return WITHHELD;
    this.counters.misses++;
    return this.read(key, secret, digests, isFresh).then((known) => {
      if (known === undefined) this.noteUnknown(key, failureAddress, Date.now());
      return known;
    });
  }

  /** Those that are not in memory, by their keys; undefined for one that the database does not have. Who has failed too often is left to `find`. */
  private async readMissing(
    requests: readonly VerificationRequest[],
    keys: readonly string[],
  ): Promise<ReadonlyMap<string | undefined, KnownCredential | undefined>> {
    const now = Date.now();
    const isFresh = this.feed.isFresh(now);
    const missing = new Map<string, MissingSecret>();
    for (const [index, { secret, failureAddress }] of requests.entries()) {
      const key = keys[index];
      if (key === undefined || key === '' || missing.has(key)) continue;
      if (isFresh && (this.cache.get(key, now) !== undefined || this.unknown.has(key, now))) continue;
      if (this.failures.isBlocked(failureAddress, now)) continue;
      const digests = this.digests.forLookup(secret);
      if (digests.length > 0) missing.set(key, { secret, digests, failureAddress });
    }
    return missing.size === 0 ? NOTHING_READ : this.readMany(missing, isFresh);
  }

  private read(key: string, secret: string, digests: Buffer[], isFresh: boolean): Promise<KnownCredential | undefined> {
    const underWay = this.reads.get(key);
    if (underWay !== undefined && isFresh) return underWay;
    const read = this.query(key, secret, digests, isFresh).finally(() => {
      if (this.reads.get(key) === read) this.reads.delete(key);
    });
    if (isFresh) this.reads.set(key, read);
    return read;
  }

  private async query(
    key: string,
    secret: string,
    digests: readonly Buffer[],
    isFresh: boolean,
  ): Promise<KnownCredential | undefined> {
    const read = this.cache.beginRead();
    try {
      const [row] = await this.lookUps.query<CredentialRow>(CREDENTIAL_QUERY, [digests]);
      if (row === undefined) return undefined;
      const known = this.take(row, secret);
      if (isFresh) this.cache.keep(read, key, known);
      return known;
    } finally {
      this.cache.endRead(read);
    }
  }

  private async readMany(
    missing: ReadonlyMap<string, MissingSecret>,
    isFresh: boolean,
  ): Promise<ReadonlyMap<string, KnownCredential | undefined>> {
    const read = this.cache.beginRead();
    try {
      const asked = [...missing].flatMap(([key, { secret, digests }]) =>
        digests.map((digest) => ({ key, secret, digest })),
      );
      const byDigest = new Map(asked.map((one) => [one.digest.toString('latin1'), one]));
      const rows = await this.lookUps.query<CredentialRow>(CREDENTIAL_QUERY, [asked.map(({ digest }) => digest)]);
      this.counters.misses += missing.size;
      const found = new Map<string, KnownCredential | undefined>([...missing.keys()].map((key) => [key, undefined]));
      for (const row of rows) {
        const one = byDigest.get(row.digest.toString('latin1'));
        if (one === undefined) continue;
        const known = this.take(row, one.secret);
        found.set(one.key, known);
        if (isFresh) this.cache.keep(read, one.key, known);
      }
      const now = Date.now();
      for (const [key, { failureAddress }] of missing)
        if (found.get(key) === undefined) this.noteUnknown(key, failureAddress, now);
      return found;
    } finally {
      this.cache.endRead(read);
    }
  }

  private take(row: CredentialRow, secret: string): KnownCredential {
    const known = new KnownCredential(row, this.holders.of(row), Date.now());
    if (this.digests.isOutdated(known.pepperId)) {
      this.usage.noteRehash({
        secretId: known.secretId,
        previousPepperId: known.pepperId,
        ...this.digests.forStorage(secret),
      });
    }
    return known;
  }

  private noteUnknown(key: string, failureAddress: string | undefined, now: number): void {
    this.unknown.add(key, now);
    this.failures.recordFailure(failureAddress, now);
  }
}
