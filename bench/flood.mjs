// What a flood of well-formed secrets that nobody ever issued costs: memory, and questions to the database.
import { probe, startProbed, added } from './memory.mjs';
import { residentBytes } from './machine.mjs';
import { countLookUps, resetStatements } from './statements.mjs';
import { CONNECTIONS } from './throughput.mjs';

/** FAILED_VERIFICATIONS_PER_MINUTE, by default. */
const FAILURES_PER_MINUTE = 120;
const ADDRESSES = 100;
const DURATION_MS_MAX = 5 * 60_000;

const FLOODS = [
  { name: 'forward-auth, one address', source: { kind: 'unknownForwardAuth' }, addresses: 1, expect: {} },
  {
    name: `verify, ${ADDRESSES} addresses`,
    source: { kind: 'unknownVerify', addresses: ADDRESSES },
    addresses: ADDRESSES,
    expect: { status: 200 },
  },
  {
    name: 'batches of 1,000, one address',
    source: { kind: 'unknownBatch' },
    addresses: 1,
    expect: { status: 200 },
    itemsPerRequest: 1_000,
    connections: 4,
  },
];

export async function measureFlood(stack, size, unknownTokens, log) {
  const results = [];
  for (const { name, source, addresses, expect, itemsPerRequest = 1, connections = CONNECTIONS } of FLOODS) {
    log(`flood: ${name}`);
    const server = await startProbed(stack, size);
    const load = stack.startLoad();
    const before = await probe(server);
    const highestBefore = residentBytes(server.pid).highest;
    await resetStatements(size.session);
    const result = await load.run({
      port: server.port,
      source,
      connections,
      countMax: unknownTokens / itemsPerRequest,
      expect,
      watch: { server: server.pid },
      warmUpMs: 0,
      durationMs: DURATION_MS_MAX,
    });
    const lookUps = await countLookUps(size.session);
    const { highest } = residentBytes(server.pid);
    const after = await probe(server);
    await stack.stop(load);
    await stack.stop(server);
    const windows = Math.floor(result.seconds / 60) + 1;
    results.push({
      name,
      unknownTokens: result.requests * itemsPerRequest,
      seconds: result.seconds,
      perSecond: (result.requests * itemsPerRequest) / result.seconds,
      lookUps,
      /** What each address may fail in a minute, and one look-up a second beyond it; some are under way when the limit is reached. */
      lookUpsBound: addresses * (FAILURES_PER_MINUTE * windows + Math.ceil(result.seconds)) + connections * windows,
      added: added(before, after),
      highestAddedBytes: highest - highestBefore,
    });
  }
  return results;
}
