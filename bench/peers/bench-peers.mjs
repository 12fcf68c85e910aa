// node bench/peers/bench-peers.mjs, after `npm run build` in the root and `npm ci` in this folder: the peers and Keyward beside the floor, in the
// same rounds. Writes bench/peers/results.json and the figures in docs/performance.md. --quick: shorter, and nothing is written.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, OTHER_CORE, pinTree } from '../machine.mjs';
import { rawRequest } from '../raw-connection.mjs';
import { peersOf, writeDocument } from '../report.mjs';
import { seed } from '../seed.mjs';
import { Stack } from '../stack.mjs';
import { CONNECTIONS, figuresOf, median, medianFigures, OPERATIONS } from '../throughput.mjs';

const HERE = import.meta.dirname;
const TOKENS = 1_000;
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});
const rounds = Number(options.rounds ?? (options.quick ? 3 : 7));
const turnMs = options.quick ? 1_000 : 2_500;

function versions() {
  const versionOf = (name) =>
    JSON.parse(readFileSync(join(HERE, 'node_modules', name, 'package.json'), 'utf8')).version;
  return Object.fromEntries(
    ['oidc-provider', '@better-auth/api-key', 'better-auth'].map((name) => [name, versionOf(name)]),
  );
}

async function startAll(stack) {
  const postgresPid = await stack.startPostgres();
  await stack.createDatabase('keyward');
  await stack.createDatabase('better_auth');
  const keyward = await stack.startKeyward('keyward');
  await seed([await stack.connect('keyward')], TOKENS);
  const ours = (name) => ({ server: keyward, ...OPERATIONS.find((operation) => operation.name === name) });
  const environment = { DATABASE_URL: stack.urlOf('better_auth') };
  const peers = [
    {
      name: 'floor',
      server: await stack.startServer('floor.mjs'),
      source: ours('verify hit').source,
      prefix: '{"valid":true',
    },
    { ...ours('verify hit'), name: 'Keyward, verify' },
    { ...ours('introspect'), name: 'Keyward, introspect' },
    peer(
      'oidc-provider in memory, introspect',
      await stack.startServer('peers/oidc-provider-server.mjs'),
      '{"active":true',
    ),
    peer('better-auth API key in memory', await stack.startServer('peers/better-auth-server.mjs'), '{"valid":true'),
    peer(
      'better-auth API key on PostgreSQL',
      await stack.startServer('peers/better-auth-server.mjs', { environment }),
      '{"valid":true',
    ),
  ];
  pinTree(postgresPid, OTHER_CORE);
  return peers;
}

function peer(name, server, prefix) {
  const requests = server.requests.map(({ method, path, headers, body }) =>
    rawRequest(method, path, headers, body).toString('latin1'),
  );
  return { name, server, prefix, source: () => ({ kind: 'fixed', requests }) };
}

async function measure(stack) {
  const peers = await startAll(stack);
  const load = stack.startLoad();
  const run = ({ server, source, prefix }) =>
    load.run({
      port: server.port,
      source: source(TOKENS, 1),
      connections: CONNECTIONS,
      expect: { status: 200, prefix },
      watch: { server: server.pid, postgres: stack.postgresPid },
      warmUpMs: 500,
      warmUpCount: 2 * TOKENS,
      durationMs: turnMs,
    });
  for (const one of peers) await run(one);
  const figures = peers.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    console.log(`round ${round} of ${rounds}`);
    for (const [index, one] of peers.entries()) figures[index].push(figuresOf(await run(one)));
  }
  const [floor] = figures;
  return peers.map(({ name }, index) => {
    const ratios = figures[index].map(({ perSecond }, round) => perSecond / floor[round].perSecond);
    const toFloor =
      index === 0
        ? undefined
        : { perSecond: { median: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) } };
    return { name, ...medianFigures(figures[index]), toFloor };
  });
}

const stack = new Stack();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => stack.close().then(() => process.exit(130)));
try {
  const machine = describeMachine();
  const results = {
    measuredAt: new Date().toISOString(),
    machine,
    versions: versions(),
    rounds,
    operations: await measure(stack),
  };
  console.log(`\n${peersOf(results)}\n`);
  if (!options.quick) {
    writeFileSync(join(HERE, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`);
    writeDocument();
  }
} finally {
  await stack.close();
}
