// What cached tokens take: the service's memory after a full garbage collection, before and after so many tokens were asked about.
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RawConnection } from './raw-connection.mjs';
import { BATCH_TOKENS, batchRequest } from './requests.mjs';
import { tokenSecret } from './secrets.mjs';
import { countLookUps, resetStatements } from './statements.mjs';
import { CONNECTIONS } from './throughput.mjs';

const PROBED = ['--expose-gc', '--import', join(import.meta.dirname, 'probe.mjs')];
const SETTLE_MS = 1_000;
const WRITTEN_TIMEOUT_MS = 60_000;
const DURATION_MS_MAX = 5 * 60_000;

/** Memory of a service that was started with the probe, after a full garbage collection. */
export async function probe({ child }) {
  await delay(SETTLE_MS);
  const answered = once(child, 'message');
  child.send('memory');
  const [memory] = await answered;
  return memory;
}

/** The service with the probe, after some seconds of work, so that what any work takes is there already. */
export async function startProbed(stack, { database }, settings = {}) {
  const server = await stack.startKeyward(database, { nodeArguments: PROBED, settings });
  await askAbout(stack, server, { kind: 'verify', tokens: 1_000, durationMs: 4_000 });
  return server;
}

/** Asks about each of the tokens, for so long or so often, as fast as it goes. */
async function askAbout(stack, server, { kind, tokens, durationMs = DURATION_MS_MAX, countMax }) {
  const load = stack.startLoad();
  await load.run({
    port: server.port,
    source: { kind, numbers: { count: tokens, of: tokens } },
    connections: CONNECTIONS,
    expect: { status: 200 },
    watch: { server: server.pid },
    warmUpMs: 0,
    durationMs,
    countMax,
  });
  await stack.stop(load);
}

/** Fills the cache with verifications; then asks the same tokens in the two other ways, whose answers are kept with them. */
export async function measureMemory(stack, { database, session }, cachedTokens) {
  // Two generations, each of half the size: so all of the tokens stay in the younger one, and none is too old before the end.
  const settings = { CREDENTIAL_CACHE_MAX: String(cachedTokens * 2 + 2_000), CREDENTIAL_CACHE_TTL_SECONDS: '3600' };
  const server = await startProbed(stack, { database }, settings);
  const connection = new RawConnection(server.port, { keepsBody: true });
  const askAll = async () => {
    const since = new Date();
    for (let from = 0; from < cachedTokens; from += BATCH_TOKENS) {
      const secrets = Array.from({ length: BATCH_TOKENS }, (_, index) => tokenSecret(from + index));
      const { body } = await connection.ask(batchRequest(secrets));
      if (body.includes('"valid":false')) throw new Error('A token that should be cached is not good.');
    }
    await untilUsesAreWritten(session, cachedTokens, since);
  };
  try {
    const before = await probe(server);
    await askAll();
    const verified = await probe(server);
    await resetStatements(session);
    await askAll();
    const lookUpsWhenAskedAgain = await countLookUps(session);
    const askedAgain = await probe(server);
    const since = new Date();
    for (const kind of ['introspect', 'forwardAuth']) {
      await askAbout(stack, server, { kind, tokens: cachedTokens, countMax: cachedTokens });
    }
    await untilUsesAreWritten(session, cachedTokens, since);
    const introspected = await probe(server);
    return {
      cachedTokens,
      lookUpsWhenAskedAgain,
      before,
      addedByVerification: added(before, verified),
      addedWhenAskedAgain: added(before, askedAgain),
      addedByIntrospectionAndForwardAuthToo: added(before, introspected),
    };
  } finally {
    connection.close();
    await stack.stop(server);
  }
}

export function added(before, after) {
  return { heapBytes: after.heapUsed - before.heapUsed, residentBytes: after.rss - before.rss };
}

/** Last uses wait in memory until they are written; that memory is not the cache's. */
async function untilUsesAreWritten(session, tokens, since) {
  const deadline = Date.now() + WRITTEN_TIMEOUT_MS;
  for (;;) {
    const { rows } = await session.query('select count(*)::int as written from tokens where last_used_at >= $1', [
      since,
    ]);
    if (rows[0].written >= tokens) break;
    if (Date.now() > deadline) throw new Error(`Only ${rows[0].written} last uses were written.`);
    await delay(500);
  }
}
