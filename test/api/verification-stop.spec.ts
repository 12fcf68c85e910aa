import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { startKeyward } from '../support/keyward.js';
import { readMetrics, valueOf } from '../support/metrics.js';
import { madeUp, PLATFORM_TOKEN, platform, Tenant, type Verdict, verify, VERIFYING } from '../support/verification.js';
import { isListening, WireConnection } from '../support/wire-connection.js';

/** Longer than it takes to answer what is sent in these tests. */
const PATIENCE_MS = 250;
const UNKNOWN = JSON.stringify({ token: madeUp(1)[0] });

function verification(body: string, path = '/tokens/verify'): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: keyward',
    `Authorization: Bearer ${PLATFORM_TOKEN}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

it('stops at once though connections are open, idle or never used', async () => {
  const stopping = await startKeyward({ env: VERIFYING });
  const silent = await WireConnection.open(stopping.url);
  const idle = await WireConnection.open(stopping.url);
  await idle.send(verification(UNKNOWN));
  await idle.answer();
  const before = performance.now();
  await stopping.close();
  expect(performance.now() - before).toBeLessThan(5_000);
  await Promise.all([silent.closed, idle.closed]);
});

it('sends what has been answered before it stops, to a client that is slow to read', async () => {
  const stopping = await startKeyward({ env: VERIFYING });
  const there = await Tenant.create(stopping);
  const values = Array.from({ length: 50 }, (_, index) => [`key-${index}`, 'x'.repeat(255)]);
  const large = (await there.issue({ annotations: Object.fromEntries(values) as object })).token;
  await verify(platform(stopping), large);
  const slow = await WireConnection.open(stopping.url);
  slow.socket.pause();
  const body = JSON.stringify({ tokens: Array.from({ length: 700 }, () => ({ token: large })) });
  await slow.send(verification(body, '/tokens/verify-batch'));
  await delay(PATIENCE_MS);
  const stopped = stopping.close();
  await delay(PATIENCE_MS);
  slow.socket.resume();
  const { results } = JSON.parse((await slow.answer()).body) as { results: Verdict[] };
  expect(results).toHaveLength(700);
  await Promise.all([stopped, slow.closed]);
});

it('sends a long list that it has answered before it stops, to a client that is slow to read', async () => {
  const stopping = await startKeyward({ env: { ...VERIFYING, LIST_ROWS_MAX: '30000' } });
  const there = await Tenant.create(stopping);
  await there.issue();
  await stopping.sql(
    `insert into tokens (id, organization_id, service_account_id, slug, name, created_at, created_by_id)
     select gen_random_uuid(), organization_id, service_account_id, 'more-' || n, 'more ' || n, now(), 'spec'
     from tokens, generate_series(1, 29000) n where organization_id = (select id from organizations where not is_platform)`,
  );
  const slow = await WireConnection.open(stopping.url);
  slow.socket.pause();
  const authorization = `Authorization: Bearer ${there.owner.token}`;
  await slow.send(
    `GET /service-accounts/${there.account.slug}/tokens HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n\r\n`,
  );
  const written = async (): Promise<number> =>
    valueOf(await readMetrics(stopping.url), 'keyward_token_lists_total', { result: 'miss' });
  await eventually(10_000, async () => (await written()) === 1);
  const stopped = stopping.close();
  await delay(PATIENCE_MS);
  slow.socket.resume();
  expect(JSON.parse((await slow.answer()).body)).toHaveLength(29_001);
  await Promise.all([stopped, slow.closed]);
});

it('does not wait for a client that keeps its side open after its last answer', async () => {
  const stopping = await startKeyward({ env: VERIFYING });
  const pool = openPool(stopping.databaseUrl);
  const session = await pool.connect();
  const client = connect({ host: '127.0.0.1', port: Number(new URL(stopping.url).port), allowHalfOpen: true });
  let told = '';
  client.setEncoding('latin1').on('data', (text: string) => (told += text));
  client.on('error', () => undefined);
  try {
    await once(client, 'connect');
    await session.query('begin');
    await session.query('lock table token_secrets');
    client.write(verification(UNKNOWN)); // takes a question to the database
    await eventually(5_000, async () => {
      const waiting =
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
      return (await pool.query(waiting)).rows.length > 0;
    });
    const stopped = stopping.close();
    await eventually(5_000, async () => !(await isListening(stopping.url)));
    await session.query('commit');
    session.release();
    await pool.end();
    await stopped;
    expect(told).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close[^]*"code":"NOT_FOUND"/);
  } finally {
    client.destroy();
  }
});
