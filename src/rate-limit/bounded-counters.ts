import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

/**
 * A limiter that keeps a record and a timer in memory for every key, held to `keysMax` of them. Beyond that, the window
 * that began first ends early: the caller whose it was may ask more often than it should, and nobody is refused for
 * what others do. To profit from it takes as many other credentials or addresses, each of which has a limit of its own.
 */
export class BoundedCounters {
  /** Every window that was begun, in that order; those before `head` are gone. */
  private windows: { readonly key: string; readonly endsAt: number }[] = [];
  private head = 0;
  /** Windows that were ended early since the start. */
  evictions = 0;

  constructor(
    private readonly limiter: RateLimiterAbstract,
    private readonly keysMax: number,
  ) {}

  async consume(key: string, points: number): Promise<RateLimiterRes> {
    const counted = await this.limiter.consume(key, points);
    if (counted.isFirstInDuration) this.keep(key, counted.msBeforeNext);
    return counted;
  }

  private keep(key: string, windowMs: number): void {
    const now = Date.now();
    this.windows.push({ key, endsAt: now + windowMs });
    if (this.windows.length - this.head <= this.keysMax) return;
    const oldest = this.windows[this.head];
    if (oldest !== undefined && oldest.endsAt > now) this.evict(oldest.key);
    this.head += 1;
    if (this.head > this.keysMax) {
      this.windows = this.windows.slice(this.head);
      this.head = 0;
    }
  }

  private evict(key: string): void {
    this.evictions += 1;
    this.limiter.delete(key).catch(() => undefined); // a limiter that cannot be reached forgets the key by itself
  }
}
