import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { collectDefaultMetrics, type CounterConfiguration, Counter, Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { ChangeFeed } from '../database/change-feed.js';
import { RateLimiter } from '../rate-limit/rate-limiter.service.js';
import { KeptLists } from '../tokens/kept-lists.js';
import { UsageRecorder } from '../verification/usage-recorder.js';
import { PROPAGATION_BUCKETS_SECONDS, VerificationCounters } from '../verification/verification-counters.js';
import { Verifier } from '../verification/verifier.service.js';

/**
 * What Prometheus scrapes. The hot path counts in plain numbers, which are read here when somebody scrapes. Labels have a
 * closed set of values: no token, no organization, no path of a caller's choosing.
 */
@Injectable()
export class ServiceMetrics {
  readonly registry = new Registry();

  constructor(
    private readonly counters: VerificationCounters,
    verifier: Verifier,
    feed: ChangeFeed,
    usage: UsageRecorder,
    lists: KeptLists,
    limiter: RateLimiter,
    database: DataSource,
  ) {
    collectDefaultMetrics({ register: this.registry });
    this.counter('keyward_verifications_total', 'Verifications by their code.', ['code'], () =>
      Object.entries(counters.byCode),
    );
    this.counter(
      'keyward_credential_lookups_total',
      'Look-ups of secrets: hit in memory, miss in the database.',
      ['result'],
      () => [
        ['hit', counters.hits],
        ['miss', counters.misses],
      ],
    );
    this.counter('keyward_usage_dropped_total', 'Last uses that were not noted because too many waited.', [], () => [
      ['', usage.dropped],
    ]);
    this.gauge('keyward_cached_secrets', 'Secrets in memory.', () => verifier.cachedSecrets);
    this.counter(
      'keyward_token_lists_total',
      'Lists of tokens: hit kept and confirmed by the database, miss written anew.',
      ['result'],
      () => [
        ['hit', lists.hits],
        ['miss', lists.misses],
      ],
    );
    this.gauge('keyward_kept_list_bytes', 'Bytes of lists of tokens in memory.', () => lists.bytes);
    this.gauge('keyward_usage_waiting', 'Last uses that wait to be written.', () => usage.waiting);
    this.gauge(
      'keyward_change_feed_age_seconds',
      'Seconds since it was last proven that no change was missed.',
      () => feed.ageSeconds,
      'max',
    );
    this.gauge(
      'keyward_change_feed_connected',
      'Whether the connection that listens for changes is up.',
      () => (feed.isConnected ? 1 : 0),
      'min',
    );
    this.gauge(
      'keyward_rate_limiter_degraded',
      'Whether shared counters cannot be reached, so that limits hold per process.',
      () => (limiter.state().isDegraded ? 1 : 0),
      'max',
    );
    const pool = (): Pool => (database.driver as unknown as { master: Pool }).master;
    this.gauge('keyward_database_connections', 'Connections of the pool.', () => pool().totalCount);
    this.gauge('keyward_database_connections_idle', 'Connections of the pool that are free.', () => pool().idleCount);
    this.gauge('keyward_database_requests_waiting', 'Requests that wait for a connection.', () => pool().waitingCount);
    this.registerPropagation();
  }

  private counter(name: string, help: string, labelNames: string[], read: () => [string, number][]): void {
    const collect: CounterConfiguration<string>['collect'] = function (this: Counter) {
      this.reset();
      for (const [label, value] of read())
        this.inc(Object.fromEntries(labelNames.map((labelName) => [labelName, label])), value);
    };
    new Counter({ name, help, labelNames, registers: [this.registry], collect });
  }

  private gauge(name: string, help: string, read: () => number, aggregator: 'sum' | 'max' | 'min' = 'sum'): void {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A histogram from counts that are kept elsewhere: its buckets are set, not observed one by one. */
  private registerPropagation(): void {
    const { counters } = this;
    const name = 'keyward_revocation_propagation_seconds';
    const help = 'From the announcement of a change in the database to this process acting on it.';
    const readBuckets = (): { labels: Record<string, string | number>; value: number; metricName: string }[] => {
      let total = 0;
      const buckets = counters.propagation.map((count, index) => {
        total += count;
        return {
          labels: { le: PROPAGATION_BUCKETS_SECONDS[index] ?? '+Inf' },
          value: total,
          metricName: `${name}_bucket`,
        };
      });
      return [
        ...buckets,
        { labels: {}, value: counters.propagationSumSeconds, metricName: `${name}_sum` },
        { labels: {}, value: total, metricName: `${name}_count` },
      ];
    };
    const metric = {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      get: () => Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values: readBuckets() }),
      reset: () => undefined,
    };
    this.registry.registerMetric(metric as unknown as Gauge);
  }
}
