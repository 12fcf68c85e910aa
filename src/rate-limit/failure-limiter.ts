import { addressGroup } from './address-group.js';

const WINDOW_MS = 60_000;
const PROBE_INTERVAL_MS = 1_000;

/** What is known of one group of addresses. */
interface Failures {
  startedAt: number;
  count: number;
  probedAt: number;
}

/**
 * Counts the failed credentials of each address (of each /64 of IPv6) in fixed windows of one minute. Who reaches the
 * limit is blocked until the window ends, but for one probe a second: a good credential behind the same address still
 * gets in, and a flood costs the database one look-up a second.
 *
 * In memory, synchronous, and a map look-up or two: it stands where a flood arrives. It never holds more than
 * `addressesMax` counters, in two generations: what is asked about moves to the younger one, and when that is full or a
 * window old, the older one is dropped. The attack of pushing one's own counter out by failing from other addresses
 * takes half of `addressesMax` of them between two requests of one's own, and each of them could have failed as often itself.
 *
 * `now` is in milliseconds, the same clock in every call. A clock that is set back ends the windows.
 */
export class FailureLimiter {
  private younger = new Map<string, Failures>();
  private older = new Map<string, Failures>();
  private turnedAt = 0;

  constructor(
    private readonly limitPerMinute: number,
    private readonly addressesMax: number,
  ) {}

  /** Counters held at the moment. */
  get size(): number {
    return this.younger.size + this.older.size;
  }

  /** Whether the address has failed as often as it may in this minute. */
  isBlocked(address: string | undefined, now: number): boolean {
    return this.findBlocked(address, now) !== undefined;
  }

  /** Whether a credential from the address may be looked up now; beyond the limit true once a second, and asking counts as doing. */
  mayProbe(address: string | undefined, now: number): boolean {
    const failures = this.findBlocked(address, now);
    if (failures === undefined) return true;
    if (!hasPassed(PROBE_INTERVAL_MS, failures.probedAt, now)) return false;
    failures.probedAt = now;
    return true;
  }

  recordFailure(address: string | undefined, now: number): void {
    const group = addressGroup(address);
    const failures = this.find(group, now);
    if (failures === undefined) this.keep(group, { startedAt: now, count: 1, probedAt: now }, now);
    else {
      failures.count += 1;
      // The look-up that reached the limit counts as the first probe beyond it.
      if (failures.count === this.limitPerMinute) failures.probedAt = now;
    }
  }

  /** Seconds until the address may fail again, rounded up; 0 when it is not blocked. */
  blockedSeconds(address: string | undefined, now: number): number {
    const failures = this.findBlocked(address, now);
    return failures === undefined ? 0 : Math.ceil((failures.startedAt + WINDOW_MS - now) / 1_000);
  }

  private findBlocked(address: string | undefined, now: number): Failures | undefined {
    const failures = this.find(addressGroup(address), now);
    return failures !== undefined && failures.count >= this.limitPerMinute ? failures : undefined;
  }

  private find(group: string, now: number): Failures | undefined {
    const young = this.younger.get(group);
    const failures = young ?? this.older.get(group);
    if (failures === undefined) return undefined;
    if (hasPassed(WINDOW_MS, failures.startedAt, now)) {
      this.younger.delete(group);
      this.older.delete(group);
      return undefined;
    }
    if (young === undefined) {
      this.older.delete(group);
      this.keep(group, failures, now);
    }
    return failures;
  }

  private keep(group: string, failures: Failures, now: number): void {
    // After a whole window, every counter of the older generation has ended: nothing is lost.
    if (this.younger.size >= this.addressesMax / 2 || hasPassed(WINDOW_MS, this.turnedAt, now)) {
      this.older = this.younger;
      this.younger = new Map();
      this.turnedAt = now;
    }
    this.younger.set(group, failures);
  }
}

/** Whether so much time lies between; true as well when the clock was set back, so that nobody stays blocked for hours. */
function hasPassed(milliseconds: number, from: number, now: number): boolean {
  return now - from >= milliseconds || now < from;
}
