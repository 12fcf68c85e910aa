import cluster from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from './config/config.js';
import { startEmbeddedPostgres } from './database/embedded-postgres.js';
import { serveClusterMetrics } from './metrics/cluster-metrics.js';
import { startClusterRateLimits } from './rate-limit/cluster-counters.js';

const RESTART_DELAY_MS = 1_000;

/**
 * Runs several processes of the service behind one port, and replaces one that dies. On SIGTERM and SIGINT each finishes
 * what is under way; the embedded database, which this process starts and the workers adopt, stops after the last of
 * them. A worker that cannot even start ends the whole, with its message.
 * @returns when the first worker listens
 */
export async function superviseWorkers(config: Config): Promise<void> {
  const { DATABASE_URL, REDIS_URL, WORKERS } = config.settings;
  const embedded =
    DATABASE_URL === '' ? await startEmbeddedPostgres({ dataDirectory: config.dataDirectory }) : undefined;
  serveClusterMetrics();
  if (REDIS_URL === '') startClusterRateLimits();

  const stopping = new AbortController();
  let hasListened = false;
  const end = async (code: number): Promise<void> => {
    await embedded?.stop();
    process.exit(code);
  };
  const stop = (signal: NodeJS.Signals): void => {
    stopping.abort();
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill(signal);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  cluster.on('exit', (_, code) => {
    const isLast = Object.keys(cluster.workers ?? {}).length === 0;
    if (stopping.signal.aborted) return isLast ? void end(0) : undefined;
    if (!hasListened) return void end(code || 1);
    void delay(RESTART_DELAY_MS).then(() => (stopping.signal.aborted ? undefined : cluster.fork()));
  });

  const listening = new Promise<void>((resolve) => cluster.once('listening', () => resolve()));
  // One first: it migrates and makes the development secrets, which the others find.
  cluster.fork();
  await listening;
  hasListened = true;
  for (let started = 1; started < WORKERS && !stopping.signal.aborted; started++) cluster.fork();
}
