import { setTimeout as delay } from 'node:timers/promises';
import { failureAt } from './failure.js';

const POLL_INTERVAL_MS = 10;

/** Waits until something holds, and tells how many milliseconds that took. Fails when it takes longer than it may. */
export async function eventually(withinMs: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > withinMs) {
      throw failureAt(eventually, `it did not come about within ${withinMs} ms`);
    }
    await delay(POLL_INTERVAL_MS);
  }
  return performance.now() - startedAt;
}
