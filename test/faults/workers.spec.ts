import { jest } from '@jest/globals';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { expectStatus, unique } from '../support/callers.js';
import { createDatabase, dropDatabase, openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { type Answer, Client, type RequestOptions } from '../support/http.js';
import { expectOnly, Load } from '../support/load.js';
import { CompiledKeyward, type KeywardProcess, type RunningProcess, runningProcesses } from '../support/process.js';
import { codeOf, PLATFORM_TOKEN, Tenant, VERIFYING } from '../support/verification.js';

const PATIENCE_MS = 60_000;
const ANSWER_TIMEOUT_MS = 3_000;
/** Far below the bound that holds without a word from the other worker. */
const OBEYED_WITHIN_MS = 2_000;
const SETTINGS = { ...VERIFYING, REVOCATION_MAX_STALENESS_SECONDS: '60', USAGE_FLUSH_INTERVAL_MS: '60000' };
jest.setTimeout(120_000);

/** With DATABASE_URL the tests have a server of their own; otherwise the service brings one, which has to end with it. */
const isEmbedded = !process.env['DATABASE_URL'];

let compiled: CompiledKeyward;
let database: Readonly<Record<string, string>>;
beforeAll(async () => {
  compiled = await CompiledKeyward.make();
  database = isEmbedded ? {} : { DATABASE_URL: await createDatabase() };
});
afterAll(async () => {
  await compiled?.remove();
  if (database?.['DATABASE_URL'] !== undefined) await dropDatabase(database['DATABASE_URL']);
});

function environment(workers: number): Record<string, string> {
  return { ...SETTINGS, ...database, WORKERS: String(workers) };
}

type Worker = [pid: number, connection: Connection];

/** One connection that stays open: whoever answers on it first is who answers on it always. */
class Connection extends Client {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  override async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const headers = { authorization: `Bearer ${options.token ?? this.token}`, ...options.headers };
    const sent = request(this.url + path, { agent: this.agent, method, headers });
    // Node loses sight of a connection that its primary hands to a worker in the moment of that one's death.
    sent.setTimeout(ANSWER_TIMEOUT_MS, () => sent.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)));
    if (options.body !== undefined) sent.setHeader('content-type', 'application/json');
    sent.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const content = await text(response);
    const isJson = response.headers['content-type']?.includes('json') === true && content !== '';
    const body = (isJson ? JSON.parse(content) : undefined) as T;
    return { status: response.statusCode!, headers: new Headers(), body, text: content };
  }

  close(): void {
    this.agent.destroy();
  }

  /** Which process answers on it, as the log tells. */
  async findWorker({ output }: KeywardProcess): Promise<number | undefined> {
    const id = unique('request');
    const answer = await this.get('/health/live', { headers: { 'x-request-id': id } }).catch(() => undefined);
    if (answer === undefined) return undefined; // it was handed to a worker that is no more
    const line = (): string | undefined => output().split('\n').find((one) => one.includes(id)); // prettier-ignore
    await eventually(PATIENCE_MS, () => line() !== undefined);
    return (JSON.parse(line()!) as { pid: number }).pid;
  }
}

/** Connections to the two workers, when both listen, with their process numbers. Those that are known to be dead do not count. */
async function connectToBoth(keyward: KeywardProcess, ...dead: number[]): Promise<[Worker, Worker]> {
  const listening = (): number[] =>
    [...keyward.output().matchAll(/"pid":(\d+)[^\n]*Server listening/g)].map(([, pid]) => Number(pid));
  await eventually(PATIENCE_MS, () => listening().filter((pid) => !dead.includes(pid)).length === 2);
  const found = new Map<number, Connection>();
  await eventually(PATIENCE_MS, async () => {
    const connection = new Connection(keyward.url, PLATFORM_TOKEN);
    const pid = await connection.findWorker(keyward);
    if (pid !== undefined && !found.has(pid)) found.set(pid, connection);
    else connection.close();
    return found.size === 2;
  });
  return [...found] as [Worker, Worker];
}

describe('two workers of one machine', () => {
  let keyward: KeywardProcess;
  let tenant: Tenant;
  beforeAll(async () => {
    keyward = await compiled.start(environment(2));
    tenant = await Tenant.create(keyward);
  });
  afterAll(() => compiled.killAll());

  it('both answer, and neither is the process that was started', async () => {
    const { token, id } = await tenant.issue({ scopes: ['api_tokens:read'] });
    for (const [pid, connection] of await connectToBoth(keyward)) {
      expect(pid).not.toBe(keyward.pid);
      const listed = await connection.get<{ id: string }[]>(`/service-accounts/${tenant.account.slug}/tokens`, {
        token,
      });
      expect(expectStatus(listed, 200).map((one) => one.id)).toContain(id);
    }
  });

  it('a revocation through either is obeyed by the other at once', async () => {
    const [[, one], [, other]] = await connectToBoth(keyward);
    for (const [revoker, witness] of [
      [one, other],
      [other, one],
    ] as const) {
      const issued = await tenant.issue();
      // The second time from memory, where only word of the change can end it.
      for (let time = 0; time < 2; time++) expect(await codeOf(witness, issued.token)).toBe('VALID');
      expectStatus(await revoker.delete(tenant.tokenPath(issued), { token: tenant.owner.token }), 204);
      await eventually(OBEYED_WITHIN_MS, async () => (await codeOf(witness, issued.token)) === 'REVOKED');
      expect(await codeOf(revoker, issued.token)).toBe('REVOKED');
    }
  });

  it('either tells the metrics of both together', async () => {
    const [[, one], [, other]] = await connectToBoth(keyward);
    const { token } = await tenant.issue();
    const countValid = async (connection: Connection): Promise<number> => {
      const { text: metrics } = await connection.get('/metrics');
      return Number(/^keyward_verifications_total\{code="VALID"\} (\d+)$/m.exec(metrics)?.[1]);
    };
    const before = await countValid(one);
    for (const connection of [one, other, other]) expect(await codeOf(connection, token)).toBe('VALID');
    expect(await countValid(one)).toBe(before + 3);
    expect(await countValid(other)).toBe(before + 3);
  });

  it('one that is killed is replaced, while the other answers all the time', async () => {
    const [[victim], [survivor, connection]] = await connectToBoth(keyward);
    const issued = await tenant.issue();
    const load = new Load(connection, [issued.token], 1);
    process.kill(victim, 'SIGKILL');
    const both = await connectToBoth(keyward, victim).finally(() => load.stop());
    expectOnly(load.told, ['VALID']);
    const [, successor] = both.find(([pid]) => pid !== survivor)!;
    expect(both.map(([pid]) => pid)).not.toContain(victim);
    expect(await codeOf(successor, issued.token)).toBe('VALID');
    await tenant.revoke(issued);
    await eventually(OBEYED_WITHIN_MS, async () => (await codeOf(successor, issued.token)) === 'REVOKED');
  });
});

async function findRunning(pids: readonly number[]): Promise<RunningProcess[]> {
  return (await runningProcesses()).filter(({ pid }) => pids.includes(pid));
}

/** What is left of these, and whatever else runs for the service or its database. */
async function leftOf(before: readonly RunningProcess[]): Promise<RunningProcess[]> {
  return findRunning([...before, ...(await compiled.processes())].map(({ pid }) => pid));
}

/** Which of these tokens have a last use, as the database tells that the service has left. */
async function usedOf(ids: readonly string[]): Promise<string[]> {
  const embedded = isEmbedded ? await startEmbeddedPostgres({ dataDirectory: compiled.dataDirectory }) : undefined;
  const pool = openPool(embedded ? await compiled.embeddedUrl() : database['DATABASE_URL']!);
  try {
    const used = 'select id from tokens where id = any ($1) and last_used_at is not null';
    return (await pool.query<{ id: string }>(used, [ids])).rows.map(({ id }) => id);
  } finally {
    await pool.end();
    await embedded?.stop();
  }
}

describe('no process is left, and the database is stopped,', () => {
  afterEach(() => compiled.killAll());

  it.each<[string, (primary: number, workers: number[]) => void]>([
    ['by SIGTERM', (primary) => void process.kill(primary, 'SIGTERM')],
    [
      'by Ctrl-C, which reaches all of them',
      (primary, workers) => [primary, ...workers].forEach((pid) => process.kill(pid, 'SIGINT')),
    ],
  ])('after a stop %s, and what both workers had noted is written', async (_, stop) => {
    const keyward = await compiled.start(environment(2));
    const both = await connectToBoth(keyward);
    const tenant = await Tenant.create(keyward);
    const ids: string[] = [];
    for (const [, connection] of both) {
      const { id, token } = await tenant.issue();
      expect(await codeOf(connection, token)).toBe('VALID');
      ids.push(id);
    }
    const before = await compiled.processes();
    stop(
      keyward.pid,
      both.map(([pid]) => pid),
    );
    expect(await keyward.ended).toBe(0);
    expect(await leftOf(before)).toEqual([]);
    expect((await usedOf(ids)).sort()).toEqual(ids.sort());
  });

  it('after a stop in the moment in which all workers have died', async () => {
    const keyward = await compiled.start(environment(2));
    const both = await connectToBoth(keyward);
    const before = await compiled.processes();
    for (const [pid] of both) process.kill(pid, 'SIGKILL');
    await eventually(PATIENCE_MS, async () => (await findRunning(both.map(([pid]) => pid))).length === 0);
    expect(await keyward.stop()).toBe(0);
    expect(await leftOf(before)).toEqual([]);
  });

  it.each([1, 2])('after a stop in the middle of a start with WORKERS=%i', async (workers) => {
    const keyward = compiled.launch(environment(workers));
    const hasBegun = ({ command }: RunningProcess): boolean => !isEmbedded || /\bpostgres -D /.test(command);
    await eventually(PATIENCE_MS, async () => (await compiled.processes()).some(hasBegun));
    const before = await compiled.processes();
    const code = await keyward.stop();
    if (isEmbedded) expect(code).toBe(0); // else it may have been so early that the signal itself ended it
    expect(await leftOf(before)).toEqual([]);
  });

  it.each([1, 2])('after a start with WORKERS=%i that failed, because its port is taken', async (workers) => {
    const somebody = createServer().listen(0, '127.0.0.1');
    await once(somebody, 'listening');
    const { port } = somebody.address() as AddressInfo;
    const keyward = compiled.launch({ ...environment(workers), PORT: String(port) });
    const code = await keyward.ended;
    somebody.close();
    expect(code).toBe(1);
    expect(keyward.output()).toMatch(/EADDRINUSE[^\n]*\n$/);
    expect(await leftOf([])).toEqual([]);
  });
});

it('kill -9 of the primary ends its workers too, and the next start serves the same data', async () => {
  const killed = await compiled.start(environment(2));
  await connectToBoth(killed);
  const { token } = await (await Tenant.create(killed)).issue();
  const services = (await compiled.processes()).filter(({ command }) => command.endsWith('main.js'));
  expect(services).toHaveLength(3);
  await killed.kill();
  await eventually(PATIENCE_MS, async () => (await findRunning(services.map(({ pid }) => pid))).length === 0);

  const next = await compiled.start(environment(1));
  expect(await codeOf(new Client(next.url, PLATFORM_TOKEN), token)).toBe('VALID');
  expect(await next.stop()).toBe(0);
  expect(await leftOf([])).toEqual([]);
});
