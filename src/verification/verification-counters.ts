import { Injectable } from '@nestjs/common';
import { forEachCode, type VerificationCode } from './verification-code.js';

/** Upper bounds of the propagation histogram, in seconds. */
export const PROPAGATION_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const;

/** What the verifier counts, as plain numbers: on the hot path a metric is one addition. /metrics reads them. */
@Injectable()
export class VerificationCounters {
  hits = 0;
  misses = 0;
  readonly byCode = forEachCode(() => 0);
  /** Changes heard of, by how long after their announcement: one count per bucket, the last one for what took longer. */
  readonly propagation: number[] = new Array<number>(PROPAGATION_BUCKETS_SECONDS.length + 1).fill(0);
  propagationSumSeconds = 0;

  count(code: VerificationCode): void {
    this.byCode[code]++;
  }

  /** @param announcedAt by the clock of the database, which may differ from ours by a little */
  observePropagation(announcedAt: number): void {
    const seconds = Math.max(0, Date.now() - announcedAt) / 1_000;
    const bucket = PROPAGATION_BUCKETS_SECONDS.findIndex((bound) => seconds <= bound);
    const index = bucket < 0 ? PROPAGATION_BUCKETS_SECONDS.length : bucket;
    this.propagation[index] = (this.propagation[index] ?? 0) + 1;
    this.propagationSumSeconds += seconds;
  }
}
