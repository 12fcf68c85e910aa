// `npm run bench`: starts everything itself, measures, prints a table and writes bench/results.json and docs/performance.md.
//   --quick          1,000 tokens, fewer and shorter rounds, nothing is written; under a minute
//   --only=a,b       operations (verify hit, …) and sections (statements, revocation, memory, flood)
//   --rounds=n       of everything; 7 unless told otherwise
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { measureFlood } from './flood.mjs';
import { describeMachine, OTHER_CORE, pinTree } from './machine.mjs';
import { measureMemory } from './memory.mjs';
import { printReport, writeReport } from './report.mjs';
import { measureRevocation } from './revocation.mjs';
import { seed } from './seed.mjs';
import { Stack } from './stack.mjs';
import { countStatements } from './statements.mjs';
import { measureThroughput, OPERATIONS } from './throughput.mjs';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, rounds: { type: 'string' } },
});
const isQuick = options.quick;
const PLAN = isQuick
  ? { sizes: [1_000], rounds: 3, turnMs: 1_000, warmUpMs: 300, revocations: 100, cachedTokens: 0, unknownTokens: 0 }
  : {
      sizes: [1_000, 1_000_000],
      rounds: 7,
      turnMs: 2_500,
      warmUpMs: 500,
      revocations: 1_000,
      cachedTokens: 100_000,
      unknownTokens: 1_000_000,
    };
const rounds = Number(options.rounds ?? PLAN.rounds);
/** Everything is ended by then, whatever hangs. */
const TIME_LIMIT_MS = 30 * 60_000;

const startedAt = performance.now();
const log = (text) => console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s  ${text}`);
const only = options.only?.split(',');
const isWanted = (section) => only === undefined || only.includes(section);

async function run(stack) {
  const results = { measuredAt: new Date().toISOString(), commit: commit(), isQuick, machine: describeMachine() };
  log('starting PostgreSQL');
  const postgresPid = await stack.startPostgres();
  const sizes = [];
  results.seeding = [];
  for (const tokens of PLAN.sizes) sizes.push(await prepare(stack, `tokens_${tokens}`, tokens, results.seeding));
  pinTree(postgresPid, OTHER_CORE);

  if (isWanted('statements')) {
    log('counting statements');
    results.statements = await countStatements(sizes[0]);
  }
  if (only === undefined || OPERATIONS.some(({ name }) => only.includes(name))) {
    const plan = { stack, sizes, rounds, turnMs: PLAN.turnMs, warmUpMs: PLAN.warmUpMs, only, log };
    results.throughput = await measureThroughput(plan);
  }
  for (const { server } of sizes) await stack.stop(server);
  const largest = sizes.at(-1);
  if (isWanted('revocation')) {
    log('revoking');
    results.revocation = await measureRevocation(stack, sizes[0], PLAN.revocations, log);
  }
  if (isWanted('memory') && PLAN.cachedTokens > 0) {
    log('filling the cache');
    results.memory = await measureMemory(stack, largest, PLAN.cachedTokens, log);
  }
  if (isWanted('flood') && PLAN.unknownTokens > 0)
    results.flood = await measureFlood(stack, largest, PLAN.unknownTokens, log);
  return results;
}

/** A database of its own with so many tokens, and the service over it. */
async function prepare(stack, database, tokens, seeding) {
  await stack.createDatabase(database);
  const server = await stack.startKeyward(database);
  const session = await stack.connect(database);
  const sessions = [session, await stack.connect(database)];
  const before = performance.now();
  await seed(sessions, tokens);
  const seconds = (performance.now() - before) / 1_000;
  await sessions[1].end();
  seeding.push({ tokens, seconds });
  log(`${tokens.toLocaleString('en')} tokens written in ${seconds.toFixed(1)} s`);
  return { tokens, database, server, session };
}

function commit() {
  const git = (...args) =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    return (
      git('rev-parse', '--short', 'HEAD').trim() +
      (git('status', '--porcelain', '--', '../src').trim() === '' ? '' : ' with changes')
    );
  } catch {
    return 'unknown';
  }
}

const stack = new Stack();
const timer = setTimeout(() => giveUp(1, `not done after ${TIME_LIMIT_MS / 60_000} minutes`), TIME_LIMIT_MS);
async function giveUp(code, reason) {
  console.error(`\nThe benchmark ends early: ${reason}`);
  await stack.close();
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => giveUp(130, signal));

try {
  const results = await run(stack);
  printReport(results);
  if (!isQuick && only === undefined) writeReport(results);
} finally {
  clearTimeout(timer);
  await stack.close();
}
