import type { TestServer } from './test-server.js';
import { importTypeScript } from './typescript-loader.mjs';

declare global {
  var keywardTestServer: TestServer | undefined;
}

/** Prepares the database server of a run; the specs learn of it through process.env. */
export default async function setUp(): Promise<void> {
  const { startTestServer } = (await importTypeScript('./test-server.ts')) as typeof import('./test-server.js');
  const server = await startTestServer(process.env['DATABASE_URL']);
  globalThis.keywardTestServer = server;

  // Jest does not call the teardown when it is interrupted.
  const tearDownAndExit = (): void => void server.stop().finally(() => process.exit(130));
  process.once('SIGINT', tearDownAndExit);
  process.once('SIGTERM', tearDownAndExit);
}
