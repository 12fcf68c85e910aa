import cluster from 'node:cluster';
import { once } from 'node:events';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { RateLimiterCluster, RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { Config } from '../config/config.js';
import { BoundedCounters } from './bounded-counters.js';
import { connectRedis } from './connect-redis.js';

/** Windows are fixed: one begins with the first request after the last one ended. */
export const WINDOW_SECONDS = 60;

/** How long shared counters that failed are left alone, so that their timeout slows down one request a second and not each. */
const RETRY_INTERVAL_MS = 1_000;

/** Where a key stands after a request was counted. */
export interface RateState {
  /** Requests per window. */
  readonly limit: number;
  /** What is left of them in this window. */
  readonly remaining: number;
  /** Until the window ends; at least 1. */
  readonly resetSeconds: number;
  /** Whether this request is one too many. */
  readonly isExceeded: boolean;
}

/** How the counters fare, for health and metrics. */
export interface RateLimiterState {
  /** Where they are kept: shared by all instances, by the workers of this machine, or this process's own. */
  readonly backend: 'redis' | 'cluster' | 'memory';
  /** Whether the shared ones cannot be reached, so that each process counts by itself. */
  readonly isDegraded: boolean;
  /** Windows that were ended early because of RATE_LIMIT_KEYS_MAX, since the start. */
  readonly evictions: number;
}

interface SharedCounters {
  consume(key: string, points: number): Promise<RateLimiterRes>;
}

/**
 * Counts requests per key and minute: in Redis where REDIS_URL is set, in the primary process where this is a worker of
 * a cluster, else in memory. It always answers: while the shared counters cannot be reached, it counts in its own memory
 * from zero, so limits hold per process instead of altogether, and it goes back by itself.
 *
 * A request beyond the limit is counted as well; the window is fixed, so that costs its caller nothing more.
 */
@Injectable()
export class RateLimiter implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RateLimiter.name);
  private readonly backend: RateLimiterState['backend'];
  private readonly memory: BoundedCounters;
  private readonly shared: SharedCounters | undefined;
  private readonly redis: Redis | undefined;
  private isDegraded = false;
  private retryAt = 0;

  constructor(config: Config) {
    const { REDIS_URL, REDIS_TIMEOUT_MS, RATE_LIMIT_KEYS_MAX } = config.settings;
    // The limits of the keys differ, so the limiter has none: it counts, and `consume` compares.
    const options = { keyPrefix: 'keyward', points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS };
    this.memory = new BoundedCounters(new RateLimiterMemory({ ...options, keyPrefix: '' }), RATE_LIMIT_KEYS_MAX);
    if (REDIS_URL !== '') {
      this.backend = 'redis';
      this.redis = connectRedis(REDIS_URL, REDIS_TIMEOUT_MS);
      this.redis.on('ready', () => this.recover());
      this.redis.on('close', () => this.redis?.status === 'end' || this.degrade('the connection is closed'));
      this.shared = new RateLimiterRedis({ ...options, storeClient: this.redis });
    } else if (cluster.isWorker) {
      this.backend = 'cluster';
      const counters = new RateLimiterCluster({ ...options, timeoutMs: REDIS_TIMEOUT_MS });
      this.shared = new BoundedCounters(counters, RATE_LIMIT_KEYS_MAX);
    } else {
      this.backend = 'memory';
    }
  }

  /** Waits for the connection, so that not even the first requests are counted elsewhere. A Redis that is away keeps nothing from starting. */
  async onModuleInit(): Promise<void> {
    if (this.redis === undefined || this.redis.status === 'ready') return;
    const signal = AbortSignal.timeout(this.redis.options.connectTimeout ?? 0);
    await once(this.redis, 'ready', { signal }).catch((error: unknown) => this.degrade(error));
  }

  onApplicationShutdown(): void {
    this.redis?.disconnect();
  }

  /**
   * Counts a request and tells whether it is within the limit. Never throws for want of a backend.
   * @param key who asks; it is written to Redis, so it never holds a secret
   * @param cost a whole number, how many requests this one counts for
   */
  async consume(key: string, limitPerMinute: number, cost = 1): Promise<RateState> {
    const { consumedPoints, msBeforeNext } = await this.count(key, cost);
    return {
      limit: limitPerMinute,
      remaining: Math.max(0, limitPerMinute - consumedPoints),
      resetSeconds: Math.max(1, Math.ceil(msBeforeNext / 1_000)),
      isExceeded: consumedPoints > limitPerMinute,
    };
  }

  state(): RateLimiterState {
    const { evictions } = this.shared instanceof BoundedCounters ? this.shared : this.memory;
    const isAway = this.redis !== undefined && this.redis.status !== 'ready';
    return { backend: this.backend, isDegraded: this.isDegraded || isAway, evictions };
  }

  private count(key: string, cost: number): Promise<RateLimiterRes> {
    if (this.shared === undefined || !this.mayAskShared()) return this.memory.consume(key, cost);
    return this.countShared(this.shared, key, cost);
  }

  private async countShared(shared: SharedCounters, key: string, cost: number): Promise<RateLimiterRes> {
    try {
      const counted = await shared.consume(key, cost);
      this.recover();
      return counted;
    } catch (error) {
      this.degrade(error);
      return this.memory.consume(key, cost);
    }
  }

  private mayAskShared(): boolean {
    if (this.redis !== undefined && this.redis.status !== 'ready') return false;
    // A worker on its way out has let go of the primary; sending all the same would end it with an `error` event.
    if (this.backend === 'cluster' && !process.connected) return false;
    if (!this.isDegraded) return true;
    const now = Date.now();
    if (now < this.retryAt) return false;
    this.retryAt = now + RETRY_INTERVAL_MS;
    return true;
  }

  private degrade(cause: unknown): void {
    this.retryAt = Date.now() + RETRY_INTERVAL_MS;
    if (this.isDegraded) return;
    this.isDegraded = true;
    const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : cause;
    this.logger.warn(
      `The shared counters of the rate limits cannot be reached, each process counts by itself: ${String(reason)}`,
    );
  }

  private recover(): void {
    if (!this.isDegraded) return;
    this.isDegraded = false;
    this.logger.log('The shared counters of the rate limits are back');
  }
}
