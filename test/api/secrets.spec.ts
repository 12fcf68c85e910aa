import { createHash } from 'node:crypto';
import { Config } from '../../src/config/config.js';
import { createLogger } from '../../src/logging/logger.js';
import { generateSecret } from '../../src/tokens/token-secret.js';
import { expectStatus, signInOwner, unique } from '../support/callers.js';
import { TEST_ENVIRONMENT } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import { type Answer, Client, type RequestOptions, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import type { IssuedToken } from '../support/wire.js';

const INITIAL_TOKENS = { ours: generateSecret('kw', 'o'), foreign: 'a-token-that-was-made-in-another-system' };
const CONFIGURED: readonly string[] = [
  TEST_ENVIRONMENT.AUTH_JWT_SECRET,
  TEST_ENVIRONMENT.TOKEN_PEPPERS.split(':')[1]!,
  ...Object.values(INITIAL_TOKENS),
];

/** A client that keeps everything it was told. */
class Recorder extends Client {
  constructor(
    client: Client,
    readonly answers: { readonly request: string; readonly text: string }[] = [],
  ) {
    super(client.url, client.token);
  }

  override holding(token: string | undefined): Recorder {
    return new Recorder(super.holding(token), this.answers);
  }

  override async request<T>(method: string, path: string, options?: RequestOptions): Promise<Answer<T>> {
    const answer = await super.request<T>(method, path, options);
    this.note(`${method} ${path} ${JSON.stringify(options?.body ?? options?.headers ?? '')}`, answer);
    return answer;
  }

  note(request: string, { headers, text }: Answer): void {
    this.answers.push({ request, text: `${JSON.stringify([...headers])}\n${text}` });
  }
}

let keyward: Keyward;
let caller: Recorder;
let account: string;
/** A secret that works, one that was rotated away, one that was revoked; and the JWT of the person who made them. */
let secrets: Record<'working' | 'rotated' | 'revoked' | 'jwt', string>;
/** What was answered to the requests that make a secret: there, and only there, it is shown. */
const shown: string[] = [];

beforeAll(async () => {
  const env = {
    LOG_LEVEL: 'trace',
    INIT_ADMIN_API_TOKENS: INITIAL_TOKENS.ours,
    INIT_PLATFORM_TOKENS: INITIAL_TOKENS.foreign,
    USAGE_FLUSH_INTERVAL_MS: '100', // so that the user agents that were sent are written down
  };
  keyward = await startKeyward({ env });
  const owner = await signInOwner(keyward);
  caller = new Recorder(owner);
  account = `/service-accounts/${unique('account')}`;
  expectStatus(await caller.post('/service-accounts', { body: { name: 'A', slug: account.split('/')[2] } }), 201);
  const make = async (path: string, status: number, body: object): Promise<IssuedToken> => {
    const issued = expectStatus(await caller.post<IssuedToken>(path, { body }), status);
    shown.push(caller.answers.pop()!.text);
    return issued;
  };
  const scopes = ['service_accounts', 'api_tokens', 'audit_events:read'];
  const rotated = await make(`${account}/tokens`, 201, { name: 'Rotated', scopes });
  const revoked = await make(`${account}/tokens`, 201, { name: 'Revoked', scopes });
  const rotation = `${account}/tokens/${rotated.slug}/rotate`;
  const working = await make(rotation, 200, { gracePeriodSeconds: 3600 });
  secrets = { working: working.token, rotated: rotated.token, revoked: revoked.token, jwt: owner.token };
  await everyday(revoked.slug);
});
afterAll(() => keyward?.close());

/** What people do with secrets when all is well. */
async function everyday(slugToRevoke: string): Promise<void> {
  const body = { name: 'Replayed', scopes: [] };
  const headers = { 'idempotency-key': unique('key') };
  await caller.post(`${account}/tokens`, { body, headers });
  shown.push(caller.answers.pop()!.text);
  expectStatus(await caller.post(`${account}/tokens`, { body, headers }), 201);
  expectStatus(await caller.delete(`${account}/tokens/${slugToRevoke}`), 204);
  for (const token of [secrets.working, secrets.rotated, INITIAL_TOKENS.ours]) {
    expectStatus(await caller.holding(token).get('/service-accounts'), 200);
  }
  expectStatus(await caller.holding(secrets.revoked).get('/service-accounts'), 401);
  for (const path of ['/service-accounts', account, `${account}/tokens`, `${account}/tokens/rotated`]) {
    expectStatus(await caller.get(path), 200);
  }
  expectStatus(await caller.get('/audit-events?limit=200'), 200);
}

/** A secret and the forms in which it might hide. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const digest = createHash('sha256').update(secret).digest();
  const encodings = [bytes, digest].flatMap((each) => [each.toString('hex'), each.toString('base64')]);
  return [secret, encodeURIComponent(secret), ...encodings.map((text) => text.replace(/=+$/, ''))];
}

function everySecret(): string[] {
  return [...Object.values(secrets), ...CONFIGURED];
}

function secretsIn(text: string): string[] {
  return everySecret().filter((secret) => formsOf(secret).some((form) => text.includes(form)));
}

function expectNoSecretIn(place: string, text: string): void {
  const found = secretsIn(text);
  const around = found.map((secret) => text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret)));
  expect({ place, found, around }).toEqual({ place, found: [], around: [] });
}

async function everyRow(): Promise<string> {
  const tables = await keyward.sql<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  );
  expect(tables.length).toBeGreaterThan(8);
  const rows = tables.map(({ name }) => keyward.sql<{ row: string }>(`select t::text as row from "${name}" t`));
  return (await Promise.all(rows)).flatMap((table) => table.map(({ row }) => row)).join('\n');
}

/** Sends a secret where none belongs. Every one of these is refused, or answered without doing anything. */
async function misplace(secret: string): Promise<void> {
  const bodies: [string, string, unknown][] = [
    ['POST', '/service-accounts', { name: secret, slug: 'NO SLUG' }],
    ['POST', '/service-accounts', { name: `${secret}\u0000` }],
    ['POST', '/service-accounts', { name: '', description: secret }],
    ['POST', '/service-accounts', { name: 'x', slug: secret }],
    ['POST', '/service-accounts', { name: 'x', role: secret }],
    ['POST', '/service-accounts', { name: 'x', [secret]: 1 }],
    ['POST', '/service-accounts', { name: 'x', password: secret }],
    ['POST', '/service-accounts', [secret]],
    ['POST', '/service-accounts', JSON.stringify(secret)],
    ['POST', '/service-accounts', secret],
    ['POST', '/service-accounts', `{"name":"${secret}`],
    ['POST', '/service-accounts', `{"name":${secret}}`],
    ['POST', '/service-accounts', `{"${secret}":1,}`],
    ['POST', `${account}/tokens`, { name: 'x', scopes: [secret] }],
    ['POST', `${account}/tokens`, { name: 'x', scopes: secret }],
    ['POST', `${account}/tokens`, { name: 'x', scopes: [], expiresAt: secret }],
    ['POST', `${account}/tokens`, { name: 'x', scopes: [], rateLimit: secret }],
    ['POST', `${account}/tokens`, { name: 'x', scopes: [], authorizedIpAddresses: [secret] }],
    ['POST', `${account}/tokens`, { name: 'x', scopes: [], annotations: { [secret]: { a: secret } } }],
    ['POST', `${account}/tokens/rotated/rotate`, { gracePeriodSeconds: secret }],
    ['PUT', account, { name: secret, slug: 'another-slug' }],
    ['PATCH', `${account}/tokens/rotated`, { name: [secret] }],
    ['POST', '/organization/members', { subject: secret, role: 'nobody' }],
  ];
  for (const [method, path, body] of bodies) {
    expect((await caller.request(method, path, { body })).status).toBeGreaterThanOrEqual(400);
  }
  const queries = ['limit', 'cursor', 'since', 'resourceId'].map((name) => `/audit-events?${name}=${secret}`);
  const paths = ['', '/a%zz', '/problems', '/service-accounts', `${account}/tokens`, '/organization/members', '/docs'];
  for (const path of [...queries, `/audit-events?${secret}=1`, ...paths.map((each) => `${each}/${secret}`)]) {
    expect((await caller.get(path)).status).toBeGreaterThanOrEqual(400);
  }
  const anybody = caller.holding(undefined);
  for (const authorization of [secret, `Basic ${secret}`, `Bearer x${secret}`, `Bearer ${secret} ${secret}`]) {
    expectStatus(await anybody.get('/service-accounts', { headers: { authorization } }), 401);
  }
  for (const name of ['if-match', 'content-type', 'idempotency-key']) {
    const options = { headers: { [name]: `${secret} no` }, body: { name: 'x', scopes: 'none' } };
    expect((await caller.request('POST', `${account}/tokens`, options)).status).toBeGreaterThanOrEqual(400);
  }
  caller.note('raw', await sendRaw(keyward.url, `GET /${secret} HTTP/1.1\r\nBad Header ${secret}\r\n\r\n`));
  await caller.get('/service-accounts', { headers: { 'user-agent': secret, referer: secret, cookie: secret } });
  await caller.holding(secrets.working).get('/service-accounts', { headers: { 'user-agent': secret } });
}

describe('a secret', () => {
  it('is shown by what makes it, once', () => {
    expect(shown).toHaveLength(4);
    for (const kind of ['working', 'rotated', 'revoked'] as const) {
      expect(shown.filter((text) => text.includes(secrets[kind]))).toHaveLength(1);
    }
  });

  describe('that is sent where none belongs', () => {
    let rows = '';
    beforeAll(async () => {
      for (const secret of Object.values(secrets)) {
        const begun = new Date();
        await misplace(secret);
        // The use of the token, and the user agent of it, is written down a moment later.
        const used = "select 1 from tokens where slug = 'rotated' and last_used_at >= $1";
        await eventually(10_000, async () => (await keyward.sql(used, [begun])).length === 1);
        rows += await everyRow(); // the next use overwrites what was written down of this one
      }
    });

    it('is in no answer', () => {
      const leaks = caller.answers.filter(({ text }) => secretsIn(text).length > 0);
      const withoutSecrets = (text: string): string =>
        everySecret().reduce((rest, secret) => rest.replaceAll(secret, '<secret>'), text);
      expect([...new Set(leaks.map(({ request }) => withoutSecrets(request)))]).toEqual([]);
    });

    it('is in no table', () => {
      expectNoSecretIn('the database', rows);
    });

    it('is in no line of the log', () => {
      expectNoSecretIn('the log', keyward.logs.join(''));
      expect(keyward.logs.join('')).toContain('[token]'); // there was something to take out
    });
  });

  it('is not taken for the id of a request, which is kept and shown', async () => {
    for (const secret of [secrets.working, secrets.revoked]) {
      const name = unique('traced');
      const answer = await caller.post('/service-accounts', { body: { name }, headers: { 'x-request-id': secret } });
      expectStatus(answer, 201);
      expectNoSecretIn('the answer', JSON.stringify([...answer.headers]));
    }
    expectNoSecretIn('the database', await everyRow());
    expectNoSecretIn('the log', keyward.logs.join(''));
  });

  it('is refused as a name, a description or an annotation, which everybody reads', async () => {
    for (const secret of [secrets.working, `${secrets.working} for CI`]) {
      const refused = [
        await caller.post('/service-accounts', { body: { name: secret } }),
        await caller.put(account, { body: { name: 'A', description: secret } }),
        await caller.post(`${account}/tokens`, { body: { name: 'x', scopes: [], annotations: { key: secret } } }),
      ];
      for (const answer of refused) {
        expectProblem(answer, 422, 'request.invalid');
        expectNoSecretIn('the answer', answer.text);
      }
    }
    expectNoSecretIn('the database', await everyRow());
  });

  it('is not told by a fault of the service whose message holds it', async () => {
    const linesBefore = keyward.logs.length;
    const message = `boom ${secrets.working} ${secrets.jwt} postgres://user:${secrets.revoked}@host/db`;
    await keyward.sql(`
      create function boom() returns trigger language plpgsql as $$ begin raise exception '${message}'; end $$;
      create trigger boom before insert on service_accounts for each row execute function boom()`);
    try {
      const answer = await caller.post('/service-accounts', { body: { name: 'Boom' } });
      expectProblem(answer, 500, 'service.internal');
      expectNoSecretIn('the answer', answer.text);
      expect(answer.text).not.toContain('boom');
    } finally {
      await keyward.sql('drop trigger boom on service_accounts; drop function boom()');
    }
    const lines = keyward.logs.slice(linesBefore).join('');
    expect(lines).toMatch(/boom \[token\] \[jwt\]/); // the operator is told everything else
    expectNoSecretIn('the log', lines);
  });
});

describe('the log', () => {
  const lines: string[] = [];
  const config = Config.load({ ...TEST_ENVIRONMENT, LOG_LEVEL: 'trace', DATABASE_URL: 'postgres://host/db' });
  const logger = createLogger(config, { write: (line: string) => void lines.push(line) });

  it.each(['authorization', 'token', 'secret', 'password', 'pepper', 'cookie', 'digest', 'parameters', 'jwt'])(
    'leaves out what is called %s, whatever it looks like',
    (name) => {
      const holder = { [name]: 'plain-words' };
      logger.info({ ...holder, one: holder, two: { deeper: holder } }, 'said');
      logger.error({ err: Object.assign(new Error('failed'), holder) }, 'failed');
      for (const line of lines.splice(0)) {
        expect(line).not.toContain('plain-words');
        expect(line).toContain('[redacted]');
      }
    },
  );

  it.each(['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)(
    'leaves out what looks like a secret, wherever it stands, at level %s',
    (level) => {
      const error = new Error(`about ${secrets.working}`, { cause: new Error(secrets.jwt) });
      logger[level]({ [secrets.working]: [[[{ deep: secrets.rotated }]]], err: error }, `said ${secrets.revoked}`);
      expect(lines).toHaveLength(1);
      expectNoSecretIn('the line', lines.splice(0).join(''));
    },
  );
});
