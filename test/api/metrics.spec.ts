import { createHash } from 'node:crypto';
import { eventually } from '../support/eventually.js';
import { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { readMetrics, type Sample, valueOf } from '../support/metrics.js';
import { codeOf, madeUp, platform, Tenant, verifyBatch, VERIFYING } from '../support/verification.js';

/** Every label of ours and of the process, with the values that it may have; the others are set by the runtime. */
const LABELS: Readonly<Record<string, readonly string[] | RegExp>> = {
  code: [
    'VALID',
    'NOT_FOUND',
    'REVOKED',
    'EXPIRED',
    'DISABLED',
    'SUSPENDED',
    'INSUFFICIENT_SCOPE',
    'FORBIDDEN_ADDRESS',
    'RATE_LIMITED',
  ],
  result: ['hit', 'miss'],
  le: /^(\+Inf|[\d.e-]+)$/,
  type: /^[A-Za-z]+$/,
  space: /^[a-z_]+$/,
  kind: ['major', 'minor', 'incremental', 'weakcb'],
  version: /^v\d/,
  major: /^\d+$/,
  minor: /^\d+$/,
  patch: /^\d+$/,
};

let keyward: Keyward;
let operator: Client;
let tenant: Tenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: VERIFYING });
  operator = platform(keyward);
  tenant = await Tenant.create(keyward);
  expect(await codeOf(operator, madeUp(1)[0]!)).toBe('NOT_FOUND'); // the operator's own token is in memory from here on
});
afterAll(() => keyward?.close());

const scrape = (): Promise<Sample[]> => readMetrics(keyward.url);

/** How much each value with a label grew meanwhile. */
async function growthOf(name: string, label: string, work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await scrape();
  await work();
  const after = await scrape();
  const entries = after
    .filter((sample) => sample.name === name)
    .map(({ labels, value }): [string, number] => [labels[label]!, value - valueOf(before, name, labels)]);
  return Object.fromEntries(entries.filter(([, growth]) => growth !== 0));
}

describe('the metrics', () => {
  it('are text for Prometheus, each with its help and its type', async () => {
    const answer = await new Client(keyward.url).get('/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const described = new Set([...answer.text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!));
    const helped = new Set([...answer.text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name!));
    expect(helped).toEqual(described);
    for (const { name } of await scrape()) {
      expect(described.has(name) || described.has(name.replace(/_(bucket|sum|count)$/, ''))).toBe(true);
    }
  });

  it('count verifications by their code, through whatever door', async () => {
    const { token, slug } = await tenant.issue({ scopes: ['orders:read'] });
    const growth = await growthOf('keyward_verifications_total', 'code', async () => {
      await codeOf(operator, token);
      await codeOf(tenant.owner, token);
      await codeOf(operator, token, { scopes: ['invoices'] });
      await verifyBatch(operator, [{ token }, { token: madeUp(1)[0]! }]);
      await operator.holding(token).get('/forward-auth');
      const form = { body: `token=${token}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
      await operator.post('/oauth2/introspect', form);
      await tenant.revoke({ slug });
      await codeOf(operator, token);
    });
    expect(growth).toEqual({ VALID: 5, INSUFFICIENT_SCOPE: 1, NOT_FOUND: 1, REVOKED: 1 });
  });

  it('count what was found in memory and what the database was asked for', async () => {
    const { token } = await tenant.issue();
    const unknown = madeUp(1)[0]!;
    const growth = await growthOf('keyward_credential_lookups_total', 'result', async () => {
      for (let count = 0; count < 5; count++) await codeOf(operator, token);
      await codeOf(operator, unknown);
      await codeOf(operator, unknown);
      await codeOf(operator, 'kws_malformed'); // neither: its form tells
    });
    expect(growth).toEqual({ hit: 5, miss: 2 });
  });

  it('say how long changes take until they are heard of, in a histogram that adds up', async () => {
    const name = 'keyward_revocation_propagation_seconds';
    const before = valueOf(await scrape(), `${name}_count`);
    await tenant.revoke(await tenant.issue());
    await eventually(5_000, async () => valueOf(await scrape(), `${name}_count`) >= before + 2);
    const samples = await scrape();
    const buckets = samples
      .filter((sample) => sample.name === `${name}_bucket`)
      .map(({ labels, value }) => [labels['le'], value]);
    const counts = buckets.map(([, count]) => count as number);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(buckets.at(-1)).toEqual(['+Inf', valueOf(samples, `${name}_count`)]);
    const mean = valueOf(samples, `${name}_sum`) / valueOf(samples, `${name}_count`);
    expect(mean).toBeLessThan(keyward.config.settings.REVOCATION_MAX_STALENESS_SECONDS);
  });

  it('say how the change feed, the memory, the pool and the limiter fare', async () => {
    const samples = await scrape();
    expect(valueOf(samples, 'keyward_change_feed_connected')).toBe(1);
    expect(valueOf(samples, 'keyward_change_feed_age_seconds')).toBeLessThan(
      keyward.config.settings.REVOCATION_MAX_STALENESS_SECONDS,
    );
    expect(valueOf(samples, 'keyward_cached_secrets')).toBeGreaterThan(0);
    expect(valueOf(samples, 'keyward_rate_limiter_degraded')).toBe(0);
    expect(valueOf(samples, 'keyward_usage_dropped_total')).toBe(0);
    const connections = valueOf(samples, 'keyward_database_connections');
    expect(connections).toBeGreaterThan(0);
    expect(connections).toBeLessThanOrEqual(keyward.config.settings.DATABASE_POOL_MAX);
    expect(valueOf(samples, 'keyward_database_connections_idle')).toBeLessThanOrEqual(connections);
    expect(valueOf(samples, 'keyward_database_requests_waiting')).toBe(0);
    expect(samples.map(({ name }) => name)).toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('hold no token, no hash, no tenant, and no label whose values somebody else chooses', async () => {
    const own = await Tenant.create(keyward);
    const issued = await own.issue({ scopes: ['secret-scope:read'], annotations: { key: 'secret-annotation' } });
    const unknown = madeUp(1)[0]!;
    for (const token of [issued.token, unknown]) {
      await codeOf(operator, token, { scopes: ['asked-scope'], ipAddress: '192.0.2.77' });
      await operator.holding(token).get('/forward-auth/some/secret-path?scope=another-scope');
      await operator.get(`/nowhere/${token}`, { headers: { 'user-agent': 'secret-agent' } });
    }
    const { text } = await new Client(keyward.url).get('/metrics');
    const secrets = [issued.token, unknown, operator.token!, own.owner.token];
    const hashes = secrets.flatMap((secret) =>
      (['hex', 'base64'] as const).map((encoding) => createHash('sha256').update(secret).digest(encoding)),
    );
    const names = [
      own.id,
      own.slug,
      own.account.id,
      own.account.slug,
      own.account.name,
      issued.id,
      issued.slug,
      issued.name,
    ];
    const chosen = ['secret-', 'asked-scope', 'another-scope', '192.0.2.77', 'nowhere', 'forward-auth'];
    for (const word of [...secrets, ...hashes, ...names, ...chosen]) expect(text).not.toContain(word);

    for (const { name, labels } of await scrape()) {
      for (const [label, value] of Object.entries(labels)) {
        const allowed = LABELS[label];
        const isAllowed = allowed instanceof RegExp ? allowed.test(value) : allowed?.includes(value);
        expect([name, label, value, isAllowed]).toEqual([name, label, value, true]);
      }
    }
  });

  it('are no more lines of ours after a thousand tokens and other tenants than before', async () => {
    const countOurs = async (): Promise<number> =>
      (await scrape()).filter(({ name }) => name.startsWith('keyward_')).length;
    const before = await countOurs();
    for (const other of [await Tenant.create(keyward), await Tenant.create(keyward)]) {
      expect(await codeOf(operator, (await other.issue()).token)).toBe('VALID');
    }
    await verifyBatch(
      operator,
      madeUp(1_000).map((token) => ({ token })),
    );
    expect(await countOurs()).toBe(before);
  });
});
