import cluster, { type Worker } from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from './config/config.js';
import { startEmbeddedPostgres } from './database/embedded-postgres.js';
import { serveClusterMetrics } from './metrics/cluster-metrics.js';
import { startClusterRateLimits } from './rate-limit/cluster-counters.js';

const RESTART_DELAY_MS = 1_000;

/**
 * Runs several processes of the service behind one port, and replaces one that dies. When it is to stop, each finishes
 * what is under way; the embedded database, which this process starts and the workers adopt, stops after the last of
 * them. A worker that cannot even start ends the whole, with its message.
 * @returns when the first worker listens
 */
export async function superviseWorkers(config: Config, stopping: AbortSignal): Promise<void> {
  const { DATABASE_URL, REDIS_URL, WORKERS } = config.settings;
  const embedded =
    DATABASE_URL === '' ? await startEmbeddedPostgres({ dataDirectory: config.dataDirectory }) : undefined;
  serveClusterMetrics();
  if (REDIS_URL === '') startClusterRateLimits();

  let hasListened = false;
  let exitCode = 0;
  const end = async (): Promise<void> => {
    await embedded?.stop();
    process.exit(exitCode);
  };
  const stop = (): void => {
    const workers = liveWorkers();
    // There is none, and none that will end, when all have died and their successors are still to come.
    if (workers.length === 0) void end();
    for (const worker of workers) worker.process.kill('SIGTERM');
  };
  cluster.on('exit', (_, code: number | null) => {
    if (stopping.aborted) {
      exitCode ||= code ?? 0;
      if (liveWorkers().length === 0) void end();
    } else if (hasListened) {
      void delay(RESTART_DELAY_MS).then(() => (stopping.aborted ? undefined : cluster.fork()));
    } else {
      exitCode = code || 1;
      void end();
    }
  });
  if (stopping.aborted) return end();
  stopping.addEventListener('abort', stop);

  const listening = new Promise<void>((resolve) => {
    cluster.once('listening', () => {
      hasListened = true;
      for (let started = 1; started < WORKERS && !stopping.aborted; started++) cluster.fork();
      resolve();
    });
  });
  // One first: it migrates and makes the development secrets, which the others find.
  cluster.fork();
  return listening;
}

/** One that has just ended may still be listed: its channel closes before or after its process, as it happens. */
function liveWorkers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker): worker is Worker => worker?.isDead() === false);
}
