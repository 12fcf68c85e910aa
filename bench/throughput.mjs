// Requests per second, latency and CPU per request of each operation, in rounds in which everything has its turn, beside the floor.
import assert from 'node:assert/strict';
import { RawConnection } from './raw-connection.mjs';
import { ACCOUNT_TOKENS, BATCH_TOKENS, sourceOf } from './requests.mjs';
import { ISSUERS_PER_ORGANIZATION, ISSUING_ORGANIZATIONS } from './seed.mjs';

export const CONNECTIONS = 64;
const BATCH_CONNECTIONS = 8;
/** Tokens that are asked about again and again. */
const HOT_TOKENS = 1_000;
/** How often everything is forgotten while misses are measured: before a token's turn comes again. */
const FORGET_INTERVAL_MS = 50;
/** Distinct tokens of one turn of misses; more than are asked about between two moments of forgetting. */
const MISSES_PER_TURN = 50_000;
/**
 * The floor has several turns in a round; the median of them is its figure. Which floor an operation is compared with
 * goes by its load generator: one that polls for answers, where the server alone does the work, or one that sleeps until
 * an answer wakes it, where PostgreSQL needs the core that they share. Waking a process that sleeps costs whoever wakes it
 * several microseconds, and a slower server pays that more often: a floor that is made to compute for 10 µs more costs
 * 18 µs more with a generator that sleeps, and 11 with one that polls.
 */
const FLOORS = [false, true].map((polls) => ({
  name: polls ? 'floor, polled' : 'floor',
  source: () => ({ kind: 'verify', numbers: { count: HOT_TOKENS, of: HOT_TOKENS } }),
  prefix: '{"valid":true',
  polls,
}));

const hot = (kind) => (tokens) => ({ kind, numbers: { count: HOT_TOKENS, of: tokens } });
const parsed = (body) => JSON.parse(body.toString('utf8'));

/** What is measured. `check` looks at one whole answer before anything is measured; `prefix` at the beginning of each one. */
export const OPERATIONS = [
  {
    name: 'verify hit',
    source: hot('verify'),
    isOfHotTokens: true,
    polls: true,
    prefix: '{"valid":true',
    check: (body) => assert.equal(parsed(body).code, 'VALID'),
  },
  {
    name: 'verify miss',
    source: (tokens, turn) => ({
      kind: 'verify',
      numbers: { count: Math.min(tokens, MISSES_PER_TURN), of: tokens, shuffleFrom: (turn * MISSES_PER_TURN) % tokens },
    }),
    prefix: '{"valid":true',
    forgets: true,
    check: (body) => assert.equal(parsed(body).code, 'VALID'),
  },
  {
    name: 'verify batch',
    source: hot('batch'),
    polls: true,
    connections: BATCH_CONNECTIONS,
    itemsPerRequest: BATCH_TOKENS,
    prefix: '{"results":[{"valid":true',
    check: (body) => assert.deepEqual(new Set(parsed(body).results.map(({ code }) => code)), new Set(['VALID'])),
  },
  {
    name: 'introspect',
    source: hot('introspect'),
    isOfHotTokens: true,
    polls: true,
    prefix: '{"active":true',
    check: (body) => assert.equal(parsed(body).scope, 'deployments:create deployments:read'),
  },
  {
    name: 'forward-auth',
    source: hot('forwardAuth'),
    isOfHotTokens: true,
    polls: true,
    check: (body) => assert.equal(body.length, 0),
  },
  {
    name: 'list of 100',
    source: () => ({ kind: 'list', accounts: HOT_TOKENS / ACCOUNT_TOKENS }),
    prefix: '[{"id"',
    check: (body) => assert.equal(parsed(body).length, ACCOUNT_TOKENS),
  },
  {
    name: 'list of 100, not kept',
    source: (_, turn) => ({ kind: 'unknownList', accounts: HOT_TOKENS / ACCOUNT_TOKENS, run: turn }),
    prefix: '{"items":[{"id"',
    check: (body) => assert.equal(parsed(body).items.length, ACCOUNT_TOKENS),
  },
  { name: 'create', source: create(1), status: 201, prefix: '{"', check: isIssued },
  {
    name: 'create in 16 organizations',
    source: create(ISSUING_ORGANIZATIONS),
    status: 201,
    prefix: '{"',
    check: isIssued,
  },
];

function create(organizations) {
  return (_, turn) => ({
    kind: 'create',
    organizations,
    accounts: ISSUERS_PER_ORGANIZATION,
    run: `${organizations}-${turn}`,
  });
}

function isIssued(body) {
  assert.match(parsed(body).token, /^kws_\w{49}$/);
}

/**
 * @param {object} options
 * @param {import('./stack.mjs').Stack} options.stack
 * @param {{ tokens: number, server: object, session: import('pg').Client }[]} options.sizes
 * @param {string[] | undefined} options.only names of operations
 */
export async function measureThroughput({ stack, sizes, rounds, turnMs, warmUpMs, only, log }) {
  const operations = OPERATIONS.filter(({ name }) => only === undefined || only.includes(name));
  const floor = await stack.startServer('floor.mjs');
  const load = stack.startLoad();
  // Both sizes one after the other, so that what they differ by is not what the machine did meanwhile.
  const cells = operations.flatMap((operation) => sizes.map((size) => ({ ...size, operation })));
  for (const cell of cells) await checkAnswer(cell);

  let turn = 1;
  const watch = (server) => ({ server: server.pid, postgres: stack.postgresPid });
  const measureFloor = (one, durationMs) =>
    load.run({
      ...jobOf(one, HOT_TOKENS, turn),
      port: floor.port,
      watch: watch(floor),
      warmUpMs: warmUpMs / 2,
      durationMs,
    });
  const measure = async ({ operation, tokens, server, session }, durationMs) => {
    turn++;
    const timer = operation.forgets ? setInterval(() => forget(session), FORGET_INTERVAL_MS) : undefined;
    try {
      const warmUpCount = operation.isOfHotTokens ? 2 * HOT_TOKENS : 0;
      return await load.run({
        ...jobOf(operation, tokens, turn),
        port: server.port,
        watch: watch(server),
        warmUpMs,
        warmUpCount,
        durationMs,
      });
    } finally {
      clearInterval(timer);
    }
  };

  log('warming up');
  const floors = FLOORS.filter(({ polls }) => operations.some((operation) => (operation.polls ?? false) === polls));
  for (const one of floors) await measureFloor(one, turnMs);
  for (const cell of cells) await measure(cell, turnMs);

  const results = [];
  for (let round = 1; round <= rounds; round++) {
    log(`round ${round} of ${rounds}`);
    const seen = new Map(floors.map((one) => [one, []]));
    const measured = [];
    for (const [index, cell] of cells.entries()) {
      if (index % 4 === 0)
        for (const one of floors) seen.get(one).push(figuresOf(await measureFloor(one, turnMs), one));
      const { name, polls = false } = cell.operation;
      const figures = figuresOf(await measure(cell, turnMs), cell.operation);
      measured.push({ name, tokens: cell.tokens, figures, polls });
    }
    results.push({ floors: floors.map((one) => ({ ...one, figures: medianFigures(seen.get(one)) })), measured });
  }
  await stack.stop(load);
  await stack.stop(floor);
  return summarize(results);
}

export function jobOf({ source, status = 200, prefix, polls = false, connections = CONNECTIONS }, tokens, turn) {
  return { source: source(tokens, turn), connections, polls, expect: { status, prefix } };
}

/** One answer of each kind is read in full, so that nobody measures refusals. */
async function checkAnswer({ operation, tokens, server }) {
  const connection = new RawConnection(server.port, { keepsBody: true });
  try {
    const { status, body } = await connection.ask(sourceOf(operation.source(tokens, 0))());
    assert.equal(status, operation.status ?? 200, `${operation.name}: ${body}`);
    operation.check(body);
  } finally {
    connection.close();
  }
}

/** A notification that cannot be read may have been about anything: the service forgets all that it has cached. */
export function forget(session) {
  session.query("select pg_notify('keyward_changes', '')").catch(() => undefined);
}

/** @param {object} result of the load generator */
export function figuresOf(result, { itemsPerRequest = 1 } = {}) {
  const { requests, seconds, serverMicroseconds, postgresMicroseconds, loadMicroseconds, machineMicroseconds } = result;
  const each = (microseconds) => (microseconds === undefined ? Number.NaN : microseconds / requests);
  const wall = seconds * 1e6;
  return {
    perSecond: requests / seconds,
    itemsPerSecond: (requests * itemsPerRequest) / seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicroseconds: each(serverMicroseconds),
    postgresMicroseconds: each(postgresMicroseconds),
    wrongAnswers: result.wrongAnswers,
    /** How much of its core the server had: what keeps it below 1 is waiting, or somebody else on the core. */
    serverShare: serverMicroseconds / wall,
    loadShare: loadMicroseconds / wall,
    /** Cores' worth of work of anybody else on the machine: noise. */
    foreignCores: (machineMicroseconds - serverMicroseconds - (postgresMicroseconds ?? 0) - loadMicroseconds) / wall,
  };
}

export function median(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

export function medianFigures(all) {
  return Object.fromEntries(Object.keys(all[0]).map((name) => [name, median(all.map((figures) => figures[name]))]));
}

const serviceCost = ({ cpuMicroseconds }) => cpuMicroseconds;
const costWithPostgres = ({ cpuMicroseconds, postgresMicroseconds }) => cpuMicroseconds + postgresMicroseconds;

/**
 * Medians over the rounds; the ratios are those of each round to its own floor, and `growth` is that of the CPU per request
 * from the smaller table to the larger one within each round.
 */
function summarize(rounds) {
  const summary = rounds[0].floors.map(({ name }, index) => ({
    name,
    ...medianFigures(rounds.map(({ floors }) => floors[index].figures)),
  }));
  for (const [index, { name, tokens, polls }] of rounds[0].measured.entries()) {
    const figures = rounds.map(({ measured }) => measured[index].figures);
    const floorOf = ({ floors }) => floors.find((one) => one.polls === polls).figures;
    const ratios = (of) => figures.map((one, round) => one[of] / floorOf(rounds[round])[of]);
    const spread = (of) => ({
      median: median(ratios(of)),
      lowest: Math.min(...ratios(of)),
      highest: Math.max(...ratios(of)),
    });
    const toFloor = {
      perSecond: spread('perSecond'),
      p99Ms: spread('p99Ms'),
      cpuMicroseconds: spread('cpuMicroseconds'),
    };
    const smaller = rounds[0].measured.findIndex((one) => one.name === name && one.tokens < tokens);
    const growthOf = (cost) =>
      median(rounds.map(({ measured }) => cost(measured[index].figures) / cost(measured[smaller].figures)));
    const growth =
      smaller === -1 ? undefined : { service: growthOf(serviceCost), withPostgres: growthOf(costWithPostgres) };
    summary.push({ name, tokens, ...medianFigures(figures), toFloor, growth });
  }
  summary.sort((one, other) => (one.tokens ?? 0) - (other.tokens ?? 0));
  return { rounds: rounds.length, operations: summary };
}
