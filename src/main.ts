import cluster from 'node:cluster';
import { existsSync } from 'node:fs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, ConfigError } from './config/config.js';
import { PublicUrl } from './config/public-url.js';
import { createApp } from './create-app.js';
import { greet } from './greeting.js';
import { superviseWorkers } from './workers.js';

/** Starts the service; a failure is one readable message and exit code 1. */
async function main(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const config = Config.load(process.env);
  const { WORKERS, PORT, HOST } = config.settings;
  let url = config.publicUrl;
  if (cluster.isPrimary && WORKERS > 1) {
    await superviseWorkers(config);
  } else {
    const app = await createApp(config);
    await app.listen(PORT, HOST);
    url = app.get(PublicUrl).href;
    stopOnSignal(app, config.settings.SHUTDOWN_GRACE_MS);
  }
  if (cluster.isPrimary && !config.isProduction) await greet(config, url);
}

/** On SIGTERM and SIGINT: no new requests, those under way end well, within the grace period, and what waits to be written is. */
function stopOnSignal(app: NestFastifyApplication, graceMs: number): void {
  const stop = (): void => {
    const server = app.getHttpServer();
    setTimeout(() => server.closeAllConnections(), graceMs).unref();
    void app.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error: unknown) => {
  const isTold = error instanceof ConfigError || (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  process.stderr.write(`${isTold ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  process.exit(1);
});
