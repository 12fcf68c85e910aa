import type { Load, Told } from './load.js';

/**
 * Does something while callers ask, and returns what each load was told. They stop however it ends: callers who went on
 * would keep a failed test from ending. Loads that are added meanwhile are stopped as well.
 */
export async function whileAsking(loads: readonly Load[], work: () => Promise<unknown>): Promise<(readonly Told[])[]> {
  try {
    await work();
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
  }
  return loads.map(({ told }) => told);
}
