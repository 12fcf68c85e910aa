// How long a token that was revoked at one process goes on being accepted at another one over the same database, both under load.
import { RawConnection } from './raw-connection.mjs';
import { ACCOUNT_TOKENS, BATCH_TOKENS, batchRequest, revokeRequest, verifyRequest } from './requests.mjs';
import { tokenSecret } from './secrets.mjs';
import { median } from './throughput.mjs';

/** Verifications per second at each of the two all the while, of all the tokens in turn: so each is cached everywhere when it is revoked. */
const LOAD_PER_SECOND = 1_000;
const LOAD_CONNECTIONS = 16;
const LOAD_MS_MAX = 10 * 60_000;
/** REVOCATION_MAX_STALENESS_SECONDS, by default. */
const BOUND_MS = 5_000;

const codeOf = ({ body }) => JSON.parse(body.toString('utf8')).code;

/** Revokes so many of the tokens of a database, one after the other. */
export async function measureRevocation(stack, { database, tokens }, revocations) {
  const here = await stack.startKeyward(database, { core: 'any' });
  const there = await stack.startKeyward(database, { core: 'any' });
  const loads = [stack.startLoad('any'), stack.startLoad('any')];
  const underLoad = loads.map((load, index) => load.run(loadJob([here, there][index])));
  const connections = [here, here, there].map(({ port }) => new RawConnection(port, { keepsBody: true }));
  try {
    const observed = [];
    for (let number = 0; number < revocations; number++) observed.push(await revokeOne(number, connections));
    for (const load of loads) load.stopJob();
    const results = await Promise.all(underLoad);
    await new Promise((done) => setTimeout(done, BOUND_MS));
    const stillValid = await countValid(revocations, [connections[0], connections[2]]);
    return {
      revocations,
      boundMs: BOUND_MS,
      loadPerSecond: results.map((result) => result.requests / result.seconds),
      loadP99Ms: results.map(({ p99Ms }) => p99Ms),
      lagMs: distributionOf(observed.map(({ lagMs }) => lagMs)),
      deletionMs: distributionOf(observed.map(({ deletionMs }) => deletionMs)),
      pollMs: median(observed.map(({ pollMs }) => pollMs)),
      /** At the process that acknowledged it, asked right after. */
      validAtOnceHere: observed.filter(({ codeHere }) => codeHere === 'VALID').length,
      /** Asked later than the acknowledgement, and still accepted; and of these later than the bound. */
      validAfterwards: observed.filter(({ lastYesMs }) => lastYesMs > 0).length,
      validAfterTheBound: observed.filter(({ lastYesMs }) => lastYesMs > BOUND_MS).length + stillValid,
      codes: [...new Set(observed.map(({ code }) => code))],
    };
  } finally {
    for (const connection of connections) connection.close();
    for (const process of [...loads, here, there]) await stack.stop(process);
  }

  function loadJob(server) {
    return {
      port: server.port,
      source: { kind: 'verify', numbers: { count: tokens, of: tokens } },
      connections: LOAD_CONNECTIONS,
      perSecond: LOAD_PER_SECOND,
      expect: { status: 200 },
      watch: { server: server.pid },
      warmUpMs: 0,
      durationMs: LOAD_MS_MAX,
    };
  }
}

/** Asks the other process about the token without a pause, from before it is revoked until it is refused. */
async function revokeOne(number, [deleting, asking, watching]) {
  const question = verifyRequest(tokenSecret(number));
  if (codeOf(await watching.ask(question)) !== 'VALID') throw new Error(`Token ${number} is not VALID to begin with.`);
  const sentAt = performance.now();
  let acknowledgedAt;
  let codeHere;
  const deletion = deleting
    .ask(revokeRequest(Math.floor(number / ACCOUNT_TOKENS), number))
    .then(async ({ status, body }) => {
      acknowledgedAt = performance.now();
      if (status !== 204) throw new Error(`Token ${number} was not revoked: ${status} ${body}`);
      codeHere = codeOf(await asking.ask(question));
    });
  deletion.catch(() => undefined);
  let code;
  let lastYesAt = 0;
  let refusedAt;
  let polls = 0;
  do {
    const askedAt = performance.now();
    code = codeOf(await watching.ask(question));
    refusedAt = performance.now();
    if (code === 'VALID') lastYesAt = askedAt;
    polls++;
  } while (code === 'VALID');
  await deletion;
  return {
    code,
    codeHere,
    lagMs: Math.max(0, refusedAt - acknowledgedAt),
    lastYesMs: lastYesAt - acknowledgedAt,
    deletionMs: acknowledgedAt - sentAt,
    pollMs: (refusedAt - sentAt) / polls,
  };
}

/** How many of the revoked tokens either process still accepts, after everything. */
async function countValid(revocations, connections) {
  let valid = 0;
  for (const connection of connections) {
    for (let from = 0; from < revocations; from += BATCH_TOKENS) {
      const count = Math.min(BATCH_TOKENS, revocations - from);
      const secrets = Array.from({ length: count }, (_, index) => tokenSecret(from + index));
      const { body } = await connection.ask(batchRequest(secrets));
      valid += JSON.parse(body.toString('utf8')).results.filter((result) => result.valid).length;
    }
  }
  return valid;
}

function distributionOf(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
