import { Logger } from '@nestjs/common';
import { createLocalJWKSet, type CryptoKey, errors, type JSONWebKeySet, type JWTHeaderParameters } from 'jose';
import { Refusal } from '../errors/refusal.js';
import { discoveryUrl, fetchIssuerDocument, keySetUrl } from './issuer-document.js';

/** Age at which the keys are fetched again, so that a key that the issuer withdrew stops working. */
const KEYS_FRESH_MS = 10 * 60_000;
/** Age up to which keys go on being used while the issuer does not answer. */
const KEYS_STALE_MAX_MS = 24 * 60 * 60_000;
/** Least time between two fetches for keys that are unknown: the key ids of made-up JWTs are the attacker's to choose. */
const UNKNOWN_KEY_COOLDOWN_MS = 10_000;
/** Least time between a fetch that failed and the next one. */
const RETRY_AFTER_FAILURE_MS = 5_000;

type FindKey = (header: JWTHeaderParameters) => Promise<CryptoKey>;

/**
 * The public keys of an OpenID Connect issuer: discovered when first needed, cached, fetched again when they are old or
 * when an unknown one is asked for. An issuer that is down stops nobody whose key is known, and is asked again at a
 * bounded rate until it answers. Time is monotonic: setting the clock of the machine neither ages nor rejuvenates keys.
 */
export class IssuerKeys {
  private readonly logger = new Logger(IssuerKeys.name);
  private keys: FindKey | undefined;
  private fetchedAtMs = -Infinity;
  private failedAtMs = -Infinity;
  private unknownKeyAtMs = -Infinity;
  private pending: Promise<void> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly timeoutMs: number,
  ) {}

  /**
   * The key that the header of a JWT names.
   * @throws JWKSNoMatchingKey when the issuer has no such key, JWKSMultipleMatchingKeys when the header leaves it open
   *   (OpenID Connect Core §10.1: with several keys, a JWT must say which)
   * @throws Refusal authentication.unavailable when the issuer cannot be asked and the key is not cached
   */
  async find(header: JWTHeaderParameters): Promise<CryptoKey> {
    if (this.ageMs() > KEYS_FRESH_MS) await this.refreshOldKeys();
    try {
      return await this.lookUp(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await this.refreshForUnknownKey();
    if (this.isFailing()) throw unavailable();
    return this.lookUp(header);
  }

  private async lookUp(header: JWTHeaderParameters): Promise<CryptoKey> {
    const keys = this.usableKeys();
    if (keys === undefined) throw unavailable();
    try {
      return await keys(header);
    } catch (error) {
      const isVerdict = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
      throw isVerdict ? error : unavailable(error); // a key that is published but broken is no fault of the caller's
    }
  }

  /** An issuer that has just failed is asked in the background: nobody whose key is cached waits for its time-out. */
  private async refreshOldKeys(): Promise<void> {
    const isWorthWaiting = this.usableKeys() === undefined || !this.isFailing();
    const refreshed = this.refresh();
    if (isWorthWaiting) await refreshed;
  }

  /** During the cool-down an unknown key is refused as made up; a key that was published just now has to wait for its end. */
  private async refreshForUnknownKey(): Promise<void> {
    if (this.pending === undefined) {
      const now = performance.now();
      if (!this.isFailing() && now - this.unknownKeyAtMs < UNKNOWN_KEY_COOLDOWN_MS) return;
      this.unknownKeyAtMs = now;
    }
    await this.refresh();
  }

  /** Fetches the keys, unless that failed just now. Callers at the same time share one fetch. Never rejects. */
  private refresh(): Promise<void> {
    if (this.pending === undefined && performance.now() - this.failedAtMs >= RETRY_AFTER_FAILURE_MS) {
      this.pending = this.fetchKeys().finally(() => (this.pending = undefined));
    }
    return this.pending ?? Promise.resolve();
  }

  private async fetchKeys(): Promise<void> {
    try {
      const discovery = await fetchIssuerDocument(discoveryUrl(this.issuer), this.timeoutMs);
      // OpenID Connect Discovery §4.3: exactly the configured one, or somebody else's keys would speak for this issuer.
      if (discovery['issuer'] !== this.issuer) throw new Error('the discovery document is of another issuer');
      const keySet = await fetchIssuerDocument(keySetUrl(discovery['jwks_uri'], this.issuer), this.timeoutMs);
      this.keys = createLocalJWKSet(keySet as unknown as JSONWebKeySet);
      this.fetchedAtMs = performance.now();
      this.failedAtMs = -Infinity;
    } catch (error) {
      this.failedAtMs = performance.now();
      this.logger.warn(`The keys of AUTH_ISSUER could not be fetched: ${(error as Error).message}`);
    }
  }

  private usableKeys(): FindKey | undefined {
    return this.ageMs() > KEYS_STALE_MAX_MS ? undefined : this.keys;
  }

  private isFailing(): boolean {
    return this.failedAtMs > this.fetchedAtMs;
  }

  private ageMs(): number {
    return performance.now() - this.fetchedAtMs;
  }
}

function unavailable(cause?: unknown): Refusal {
  const headers = { 'retry-after': String(RETRY_AFTER_FAILURE_MS / 1000) };
  return new Refusal('authentication.unavailable', undefined, { headers, cause });
}
