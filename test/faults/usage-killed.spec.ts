import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { Pool } from 'pg';
import { expectNothingHalfMade } from '../support/audit-chain.js';
import { createDatabase, dropDatabase, openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { CompiledKeyward, type KeywardProcess } from '../support/process.js';
import { ask, codeOf, platform, Tenant, VERIFYING } from '../support/verification.js';
import type { IssuedToken } from '../support/wire.js';

const TOKENS = 12;
const CALLERS = 4;
const PAUSE_MS = 5;
const FLUSH_INTERVAL_MS = 300;
/** For the statement that writes the uses, on a busy machine. */
const WRITE_ALLOWANCE_MS = 1_500;
const WATCHED_MS = 4_000;
const PATIENCE_MS = 30_000;
/** No write happens but that of the stop. */
const NEVER = { USAGE_FLUSH_INTERVAL_MS: '60000' };
const [HERE, ELSEWHERE] = ['192.0.2.1', '192.0.2.2'];
jest.setTimeout(60_000);

let compiled: CompiledKeyward;
let databaseUrl: string;
let pool: Pool;
/** Another process, which writes almost at once what it sees of uses. */
let other: Keyward;
let tenant: Tenant;
beforeAll(async () => {
  compiled = await CompiledKeyward.make();
  databaseUrl = await createDatabase();
  pool = openPool(databaseUrl);
  other = await startKeyward({ databaseUrl, env: { ...VERIFYING, USAGE_FLUSH_INTERVAL_MS: '50' } });
  tenant = await Tenant.create(other);
});
afterAll(async () => {
  await compiled?.remove();
  await other?.close();
  await pool?.end();
  await dropDatabase(databaseUrl);
});

function start(env: Readonly<Record<string, string>>): Promise<KeywardProcess> {
  return compiled.start({ ...VERIFYING, DATABASE_URL: databaseUrl, ...env });
}

function issueTokens(): Promise<IssuedToken[]> {
  return Promise.all(Array.from({ length: TOKENS }, () => tenant.issue()));
}

/** A use that its caller knows of, with moments of this machine's clock. */
interface Use {
  readonly id: string;
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** Callers who use tokens, one after the other, until the service is no longer there. */
class Callers {
  readonly uses: Use[] = [];
  readonly end: Promise<unknown>;

  constructor(asker: Client, tokens: readonly IssuedToken[]) {
    this.end = Promise.all(Array.from({ length: CALLERS }, (_, index) => this.call(asker, tokens, index)));
  }

  private async call(asker: Client, tokens: readonly IssuedToken[], first: number): Promise<void> {
    for (let turn = first; ; turn++) {
      const { id, token } = tokens[turn % tokens.length]!;
      const askedAt = Date.now();
      const answer = await ask(asker, token).catch(() => undefined);
      if (answer?.status !== 200) return;
      expect(answer.body.code).toBe('VALID');
      this.uses.push({ id, askedAt, answeredAt: Date.now() });
      await delay(PAUSE_MS);
    }
  }
}

interface LastUse {
  readonly at: number;
  readonly secretAt: number;
  readonly ip: string | null;
}

/** What the database knows of the last uses; 0 for none. */
async function lastUses(tokens: readonly IssuedToken[]): Promise<Map<string, LastUse>> {
  const { rows } = await pool.query<{ id: string; at: Date | null; secret_at: Date | null; ip: string | null }>(
    `select t.id, t.last_used_at as at, s.last_used_at as secret_at, host(t.last_used_ip) as ip
     from tokens t join token_secrets s on s.token_id = t.id where t.id = any ($1)`,
    [tokens.map(({ id }) => id)],
  );
  const momentOf = (at: Date | null): number => at?.getTime() ?? 0;
  return new Map(
    rows.map(({ id, at, secret_at, ip }) => [id, { at: momentOf(at), secretAt: momentOf(secret_at), ip }]),
  );
}

/** Asserts that the uses answered by some moment are written: each token's last use is none before them. */
function expectWritten(uses: readonly Use[], written: ReadonlyMap<string, LastUse>, answeredBy: number): void {
  const lost = uses.filter(({ id, askedAt, answeredAt }) => answeredAt <= answeredBy && written.get(id)!.at < askedAt);
  expect(lost).toEqual([]);
  for (const { at, secretAt } of written.values()) expect(secretAt).toBe(at);
}

async function expectUnharmed(tokens: readonly IssuedToken[]): Promise<void> {
  for (const { token } of tokens) expect(await codeOf(platform(other), token)).toBe('VALID');
  await expectNothingHalfMade(pool);
}

describe('kill -9', () => {
  it('loses no use but those of the last USAGE_FLUSH_INTERVAL_MS and of the write under way', async () => {
    const tokens = await issueTokens();
    const keyward = await start({ USAGE_FLUSH_INTERVAL_MS: String(FLUSH_INTERVAL_MS) });
    const callers = new Callers(platform(keyward), tokens);
    const boundMs = FLUSH_INTERVAL_MS + WRITE_ALLOWANCE_MS;
    // Each look is at what a kill in that moment would have left.
    for (const endsAt = Date.now() + WATCHED_MS; Date.now() < endsAt; await delay(PAUSE_MS)) {
      const lookedAt = Date.now();
      expectWritten(callers.uses, await lastUses(tokens), lookedAt - boundMs);
    }
    const killedAt = Date.now();
    await keyward.kill();
    await callers.end;
    const left = await lastUses(tokens);
    expectWritten(callers.uses, left, killedAt - boundMs);
    expect(callers.uses.filter(({ answeredAt }) => answeredAt <= killedAt - boundMs).length).toBeGreaterThan(TOKENS);
    for (const { at } of left.values()) expect(at).toBeLessThanOrEqual(Date.now());
    await expectUnharmed(tokens);
  });

  it('before anything is written leaves every token and its last use as they were', async () => {
    const tokens = await issueTokens();
    const everything = async (): Promise<unknown[]> => {
      const text = `select to_jsonb(t) as token, to_jsonb(s) as secret from tokens t join token_secrets s on s.token_id = t.id
        where t.id = any ($1) order by t.id`;
      return (await pool.query<Record<string, unknown>>(text, [tokens.map(({ id }) => id)])).rows;
    };
    for (const { token } of tokens) await codeOf(platform(other), token);
    await eventually(PATIENCE_MS, async () => [...(await lastUses(tokens)).values()].every(({ at }) => at > 0));
    const before = await everything();

    const keyward = await start(NEVER);
    for (const { token } of tokens) expect(await codeOf(platform(keyward), token)).toBe('VALID');
    await keyward.kill();
    expect(await everything()).toEqual(before);
    await expectUnharmed(tokens);
  });
});

describe('SIGTERM', () => {
  it('loses no use that was answered, and moves none backwards that another process wrote', async () => {
    const tokens = await issueTokens();
    const [overtaken, overtaking] = [await tenant.issue(), await tenant.issue()];
    const keyward = await start(NEVER);
    const callers = new Callers(platform(keyward), tokens);
    await codeOf(platform(keyward), overtaken.token, { ipAddress: HERE });
    const overtakenAt = Date.now();
    for (const { token } of [overtaken, overtaking]) await codeOf(platform(other), token, { ipAddress: ELSEWHERE });
    const written = async (): Promise<LastUse[]> => [...(await lastUses([overtaken, overtaking])).values()];
    await eventually(PATIENCE_MS, async () => (await written()).every(({ ip }) => ip === ELSEWHERE));
    await codeOf(platform(keyward), overtaking.token, { ipAddress: HERE });
    await eventually(PATIENCE_MS, () => callers.uses.length > 10 * TOKENS);

    expect(await keyward.stop()).toBe(0);
    await callers.end;
    expectWritten(callers.uses, await lastUses(tokens), Infinity);
    const left = await lastUses([overtaken, overtaking]);
    expect(left.get(overtaken.id)).toMatchObject({ ip: ELSEWHERE });
    expect(left.get(overtaken.id)!.at).toBeGreaterThanOrEqual(overtakenAt);
    expect(left.get(overtaking.id)).toMatchObject({ ip: HERE });
    await expectUnharmed(tokens);
  });

  it('is obeyed well when it comes again, and with others, while the uses are being written', async () => {
    const [issued] = await issueTokens();
    const keyward = await start(NEVER);
    expect(await codeOf(platform(keyward), issued!.token)).toBe('VALID');
    const session = await pool.connect();
    await session.query('begin; lock table tokens in exclusive mode');
    const ended = keyward.stop();
    const waiting = `select from pg_locks l join pg_stat_activity a using (pid)
      where not l.granted and a.datname = current_database() and a.query like '%update token_secrets%'`;
    await eventually(PATIENCE_MS, async () => (await pool.query(waiting)).rowCount! > 0);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.kill(keyward.pid, signal);
    await session.query('rollback');
    session.release();
    expect(await ended).toBe(0);
    expect((await lastUses([issued!])).get(issued!.id)!.at).toBeGreaterThan(0);
  });
});
