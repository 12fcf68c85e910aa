import cluster from 'node:cluster';
import { existsSync } from 'node:fs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, ConfigError } from './config/config.js';
import { greet } from './greeting.js';
import { superviseWorkers } from './workers.js';

/** Starts the service; a failure is one readable message and exit code 1. */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const config = Config.load(process.env);
  const stopping = stopSignal();
  let url = config.publicUrl;
  if (cluster.isPrimary && config.settings.WORKERS > 1) await superviseWorkers(config, stopping);
  else url = await serve(config, stopping);
  if (cluster.isPrimary && !config.isProduction && !stopping.aborted) await greet(config, url);
}

/**
 * Aborted by the first SIGTERM or SIGINT. It is listened for before anything is started, because what is half started has
 * to be stopped as well: the embedded database would go on running for nobody. Further signals change nothing, and they
 * do come: Ctrl-C reaches npm and this process, and npm hands it on; who stops a whole group of processes asks each
 * worker, and so does their primary.
 */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return stopping.signal;
}

/** @returns the URL that it listens on */
async function serve(config: Config, stopping: AbortSignal): Promise<string> {
  const { PORT, HOST, SHUTDOWN_GRACE_MS } = config.settings;
  // Not before: the primary of several workers serves nothing, and has no use for all that it takes.
  const { createApp } = await import('./create-app.js');
  const { PublicUrl } = await import('./config/public-url.js');
  if (stopping.aborted) process.exit(0); // nothing is started yet
  const app = await createApp(config);
  try {
    await app.listen(PORT, HOST);
  } catch (error) {
    await app.close();
    throw error;
  }
  const url = app.get(PublicUrl).href;
  whenAborted(stopping, () => stopWell(app, SHUTDOWN_GRACE_MS));
  return url;
}

/** An event that has been is not told again. */
function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act);
}

/** No new requests, those under way end well, within the grace period, and what waits to be written is. */
function stopWell(app: NestFastifyApplication, graceMs: number): void {
  const server = app.getHttpServer();
  setTimeout(() => server.closeAllConnections(), graceMs).unref();
  void app.close().then(
    () => process.exit(0),
    () => process.exit(1),
  );
}

main().catch((error: unknown) => {
  const isTold = error instanceof ConfigError || (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  process.stderr.write(`${isTold ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  process.exit(1);
});
