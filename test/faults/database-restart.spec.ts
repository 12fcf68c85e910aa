import { readFile, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type EmbeddedPostgresServer, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { eventually } from '../support/eventually.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectOnly, Load, type Told } from '../support/load.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import { codeOf, platform, Tenant, VERIFYING, writeTokens } from '../support/verification.js';
import { whileAsking } from '../support/while-asking.js';

/** Longer than any restart, on a machine that is busy too. */
const BOUND_MS = 20_000;
/** No good token may be refused for longer than the outage and this. */
const HEALED_WITHIN_MS = 2_000;
const PROPAGATED_WITHIN_MS = 2_000;
const STOPPED_WITHIN_MS = 20_000;
const PAUSE_MS = 10;
const UNAVAILABLE = 'service.unavailable';
const SETTINGS = { ...VERIFYING, REVOCATION_MAX_STALENESS_SECONDS: String(BOUND_MS / 1_000) };

/** A PostgreSQL of our own, which may be stopped under those who use it. */
class OwnServer {
  private constructor(
    private readonly dataDirectory: string,
    private running: EmbeddedPostgresServer,
  ) {}

  static async start(): Promise<OwnServer> {
    const dataDirectory = await mkdtemp(join(await realpath(tmpdir()), 'keyward-restart-'));
    return new OwnServer(dataDirectory, await launch(dataDirectory));
  }

  get url(): string {
    const { host, port, user, database } = this.running;
    return `postgres://${user}@${encodeURIComponent(host)}:${port}/${database}`;
  }

  /** Resolves when it is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const pid = Number((await readFile(join(this.dataDirectory, 'postgres/postmaster.pid'), 'utf8')).split('\n', 1)[0]);
    process.kill(pid, signal);
    await eventually(STOPPED_WITHIN_MS, () => !isAlive(pid));
  }

  /** Resolves when it answers again. */
  async launchAgain(): Promise<void> {
    this.running = await launch(this.dataDirectory);
  }

  async remove(): Promise<void> {
    await this.running.stop();
    await rm(this.dataDirectory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Without waiting for the disk: a killed server loses nothing by that, only a killed machine does. */
function launch(dataDirectory: string): Promise<EmbeddedPostgresServer> {
  return startEmbeddedPostgres({ dataDirectory, settings: { fsync: 'off' } });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

let server: OwnServer;
let keyward: Keyward;
let other: Keyward;
let asker: Client;
let tenant: Tenant;

beforeAll(async () => {
  server = await OwnServer.start();
  keyward = await startKeyward({ databaseUrl: server.url, env: SETTINGS });
  other = await startKeyward({ databaseUrl: server.url, env: SETTINGS });
  asker = platform(keyward);
  tenant = await Tenant.create(other);
});
afterAll(async () => {
  await keyward?.close();
  await other?.close();
  await server?.remove();
});

describe.each([
  { what: 'restarted', signal: 'SIGINT' },
  { what: 'killed and started again', signal: 'SIGQUIT' },
] as const)('while PostgreSQL is $what under load', ({ signal }) => {
  /** What was told about good tokens, in memory when it began and not, and about one that was revoked right before. */
  let [remembered, others, revoked]: (readonly Told[])[] = [];
  let [goneAt, backAt] = [0, 0];

  /** All that happens, until a second after everything has to be well again. The tests look at what was told. */
  beforeAll(async () => {
    const drafts = Array.from({ length: 60 }, () => ({ organizationId: tenant.id }));
    const secrets = await writeTokens(other, drafts);
    const toRevoke = await tenant.issue();
    const inMemory = secrets.slice(0, 20);
    for (const token of [...inMemory, toRevoke.token]) expect(await codeOf(asker, token)).toBe('VALID');

    const loads = [new Load(asker, inMemory, 3, PAUSE_MS), new Load(asker, [toRevoke.token], 1, PAUSE_MS)];
    [remembered, revoked, others] = await whileAsking(loads, async () => {
      await tenant.revoke(toRevoke);
      await eventually(PROPAGATED_WITHIN_MS, async () => (await codeOf(asker, toRevoke.token)) === 'REVOKED');
      goneAt = performance.now();
      await server.kill(signal);
      loads.push(new Load(asker, secrets.slice(20), 3, PAUSE_MS));
      await delay(500); // not so soon that nobody would notice
      await server.launchAgain();
      backAt = performance.now();
      await delay(HEALED_WITHIN_MS + 1_000);
    });
  });

  it('what is in memory is answered from there all the time, and nobody notices', () => {
    expectOnly(remembered!, ['VALID']);
  });

  it('a revocation that was told before holds, all the time', () => {
    expectOnly(revoked!, ['REVOKED', UNAVAILABLE], { from: goneAt });
    expectOnly(revoked!, ['REVOKED'], { from: backAt + HEALED_WITHIN_MS });
  });

  it('what is not in memory is 503, and good no later than a moment after the restart', () => {
    expectOnly(others!, ['VALID', UNAVAILABLE]);
    expect(others!.some(({ code }) => code === UNAVAILABLE)).toBe(true);
    expectOnly(others!, ['VALID'], { from: backAt + HEALED_WITHIN_MS });
  });

  it('changes are made and heard of again afterwards', async () => {
    const issued = await tenant.issue();
    expect(await codeOf(asker, issued.token)).toBe('VALID');
    await tenant.revoke(issued);
    await eventually(PROPAGATED_WITHIN_MS, async () => (await codeOf(asker, issued.token)) === 'REVOKED');
  });
});

it('a list that was kept is written anew for a server that was started since: its versions of rows may be others', async () => {
  const path = `/service-accounts/${tenant.account.slug}/tokens?limit=5`;
  await tenant.issue();
  const client = new Client(keyward.url, tenant.owner.token);
  const listed = async (): Promise<number[]> => {
    expect((await client.get(path)).status).toBe(200);
    const samples = await readMetrics(keyward.url);
    return ['miss', 'hit'].map((result) => valueOf(samples, 'keyward_token_lists_total', { result }));
  };
  expect(await listed()).toEqual([1, 0]);
  expect(await listed()).toEqual([2, 0]);
  expect(await listed()).toEqual([2, 1]);
  await server.kill('SIGINT');
  await server.launchAgain();
  await eventually(HEALED_WITHIN_MS, async () => (await new Client(keyward.url).get('/health/ready')).status === 200);
  expect(await listed()).toEqual([3, 1]);
});
