import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { createAccount, expectStatus, issueToken, Person, signInOwner, unique } from '../support/callers.js';
import { createDatabase, dropDatabase, openPool, runOn, SERVER_URL_VARIABLE } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { Client } from '../support/http.js';
import { startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { CompiledKeyward } from '../support/process.js';
import { isListening } from '../support/wire-connection.js';

const RESIDENT_MEGABYTES_MAX = 200;
const PATIENCE_MS = 20_000;

let compiled: CompiledKeyward;
let databaseUrl: string;
beforeAll(async () => void (compiled = await CompiledKeyward.make()));
afterAll(() => compiled?.remove());
beforeEach(async () => void (databaseUrl = await createDatabase()));
afterEach(() => dropDatabase(databaseUrl));

async function residentMegabytes(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1024;
}

function signIn({ url }: { url: string }): Promise<Person> {
  return Person.signIn(url, { org: unique('org'), sub: unique('owner') });
}

describe('a process that has started', () => {
  it(`takes less than ${RESIDENT_MEGABYTES_MAX} MB of memory, and after its first requests and its documentation too`, async () => {
    const keyward = await compiled.start({ DATABASE_URL: databaseUrl });
    expect(await residentMegabytes(keyward.pid)).toBeLessThan(RESIDENT_MEGABYTES_MAX);
    const owner = await signIn(keyward);
    await createAccount(owner);
    expectStatus(await owner.get('/openapi/native.json'), 200);
    expect(await residentMegabytes(keyward.pid)).toBeLessThan(RESIDENT_MEGABYTES_MAX);
    await keyward.kill();
  });

  it('greets with the address that it listens on, and a credential and a command that work', async () => {
    const { url, output, kill } = await compiled.start({ DATABASE_URL: databaseUrl });
    await eventually(PATIENCE_MS, async () => output().includes('--next'));
    expect(/Keyward listens on (\S+)/.exec(output())?.[1]).toBe(url);
    const script = output()
      .split('\n')
      .filter((line) => /^(export JWT|curl| {2}--next)/.test(line));
    const { stdout } = await promisify(execFile)('bash', ['-c', script.join('\n')]);
    const [account, token] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { slug: string; token?: string });
    expect(account?.slug).toBe('ci-pipeline');
    const used = await new Client(url, token?.token).get(`/service-accounts/${account?.slug}/tokens`);
    expectStatus(used, 200);
    await kill();
  });
});

describe('the health of the service', () => {
  it('is alive and not ready while its database is gone, and ready again as soon as it is back', async () => {
    const keyward = await startKeyward({ databaseUrl });
    const anybody = new Client(keyward.url);
    const name = new URL(databaseUrl).pathname.slice(1);
    try {
      const owner = await signInOwner(keyward);
      expect(expectStatus(await anybody.get('/health/live'), 200)).toEqual({ status: 'ok' });
      expect(expectStatus(await anybody.get('/health/ready'), 200)).toMatchObject({ status: 'ok', database: 'ok' });

      await runOn(
        process.env[SERVER_URL_VARIABLE]!,
        `alter database ${name} allow_connections false`,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      );
      const gone = await anybody.get('/health/ready');
      expect(expectStatus(gone, 503)).toMatchObject({ status: 'unavailable', database: 'unavailable' });
      expect(expectStatus(await anybody.get('/health/live'), 200)).toEqual({ status: 'ok' });
      const refused = await owner.get('/service-accounts');
      expectProblem(refused, 503, 'service.unavailable');
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);

      await runOn(process.env[SERVER_URL_VARIABLE]!, `alter database ${name} allow_connections true`);
      await eventually(PATIENCE_MS, async () => (await anybody.get('/health/ready')).status === 200);
      expectStatus(await owner.get('/service-accounts'), 200);
    } finally {
      await keyward.close();
    }
  });
});

describe('a stop by SIGTERM', () => {
  /** Begins a creation that cannot end before `release` is called. */
  async function holdUp(owner: Person): Promise<{ answer: ReturnType<Client['post']>; release: () => Promise<void> }> {
    const pool = openPool(databaseUrl);
    const session = await pool.connect();
    session.on('error', () => undefined);
    await session.query('begin; lock table service_accounts in exclusive mode');
    const answer = owner.post('/service-accounts', { body: { name: 'Held up' } });
    await eventually(PATIENCE_MS, async () => {
      const waiting =
        'select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())';
      return (await pool.query(waiting)).rows.length > 0;
    });
    const release = async (): Promise<void> => {
      await session.query('rollback');
      session.release();
      await pool.end();
    };
    return { answer, release };
  }

  it('lets a request under way end well, takes no new one, and exits with 0', async () => {
    const keyward = await compiled.start({ DATABASE_URL: databaseUrl });
    const owner = await signIn(keyward);
    expectStatus(await owner.get('/service-accounts'), 200);
    const { answer, release } = await holdUp(owner);
    const exit = keyward.stop();
    await eventually(PATIENCE_MS, async () => !(await isListening(keyward.url)));
    await release();
    expectStatus(await answer, 201);
    expect(await exit).toBe(0);
    const pool = openPool(databaseUrl);
    const { rows } = await pool.query('select name from service_accounts').finally(() => pool.end());
    expect(rows).toEqual([{ name: 'Held up' }]);
  });

  it('does not wait for a client that goes on asking on its connection', async () => {
    const keyward = await compiled.start({ DATABASE_URL: databaseUrl, SHUTDOWN_GRACE_MS: '20000' });
    const socket = connect(Number(new URL(keyward.url).port), '127.0.0.1');
    let answers = '';
    socket.on('data', (chunk) => (answers += chunk.toString()));
    const head =
      'POST /tokens/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n';
    socket.write(`${head}{`);
    await once(socket, 'connect');
    expectStatus(await new Client(keyward.url).get('/health/live'), 200);
    const begun = Date.now();
    const exit = keyward.stop();
    await eventually(PATIENCE_MS, async () => !(await isListening(keyward.url)));
    socket.write('}'); // under way when the stop began, so the connection was not idle
    await once(socket, 'data');
    socket.write(`${head}{}`);
    await once(socket, 'end');
    expect(answers.match(/HTTP\/1.1 401 /g)).toHaveLength(2);
    expect(answers.match(/\r\nconnection: close\r\n/gi)).toHaveLength(1);
    expect(await exit).toBe(0);
    expect(Date.now() - begun).toBeLessThan(10_000);
  });

  it('writes down the last uses before it exits', async () => {
    const keyward = await compiled.start({ DATABASE_URL: databaseUrl });
    const owner = await signIn(keyward);
    const { slug } = await createAccount(owner);
    const { id, token } = await issueToken(owner, slug, { scopes: ['api_tokens:read'] });
    expectStatus(await owner.holding(token).get(`/service-accounts/${slug}/tokens`), 200);
    await keyward.stop();
    const pool = openPool(databaseUrl);
    const { rows } = await pool.query('select id from tokens where last_used_at is not null').finally(() => pool.end());
    expect(rows).toEqual([{ id }]);
  });

  it('waits no longer than SHUTDOWN_GRACE_MS for a client that does not finish its request', async () => {
    const keyward = await compiled.start({ DATABASE_URL: databaseUrl, SHUTDOWN_GRACE_MS: '500' });
    const { token } = await signIn(keyward);
    const socket = connect(Number(new URL(keyward.url).port), '127.0.0.1');
    socket.on('error', () => undefined); // it is cut off: that is the point
    await once(socket, 'connect');
    const head = [`POST /service-accounts HTTP/1.1`, 'Host: x', `Authorization: Bearer ${token}`];
    socket.write([...head, 'Content-Type: application/json', 'Content-Length: 100', '', '{'].join('\r\n'));
    // Of two requests on one connection the first one's answer shows that the second one has begun to be read.
    expectStatus(await new Client(keyward.url).get('/health/live'), 200);
    const begun = Date.now();
    expect(await keyward.stop()).toBe(0);
    expect(Date.now() - begun).toBeLessThan(5_000);
    socket.destroy();
  }, 60_000);
});
