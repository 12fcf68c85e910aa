import { randomInt } from 'node:crypto';
import type { Pool } from 'pg';
import { expectNothingHalfMade } from '../support/audit-chain.js';
import { createAccount, expectStatus, Person, unique } from '../support/callers.js';
import { createDatabase, dropDatabase, openPool } from '../support/databases.js';
import { eventually } from '../support/eventually.js';
import type { Client } from '../support/http.js';
import { CompiledKeyward, type KeywardProcess } from '../support/process.js';
import { type Attempt, TokenStream } from '../support/token-stream.js';
import { platform, verifyBatch, VERIFYING } from '../support/verification.js';
import type { IssuedToken, ServiceAccount, Token } from '../support/wire.js';

const ROUNDS = 20;
/** Of so many rounds one takes the embedded PostgreSQL along, which then recovers from its write-ahead log. */
const SERVER_EVERY = 3;
const ACCOUNT_CALLERS = 4;
/** The kill comes after a random number of acknowledged tokens below this one. */
const ACKNOWLEDGED_MAX = 60;
const PATIENCE_MS = 20_000;
const ROUND_TIMEOUT_MS = 60_000;
const BATCH_MAX = 1_000;
const SCOPES = ['api_tokens:read'];

/** With DATABASE_URL the tests have a server that is not theirs to kill; otherwise the service brings its own. */
const isEmbedded = !process.env['DATABASE_URL'];

const EVENTS_WITHOUT_ACCOUNT = `
select resource_id from audit_events where type = 'service_account.created' except select id from service_accounts`;

/** The people's organization of all rounds: its audit chain is the longest. */
const OWNER = { org: unique('org'), sub: unique('owner') };
/** What the service has said is there, in all rounds. */
const accounts: ServiceAccount[] = [];
const tokens: IssuedToken[] = [];

let compiled: CompiledKeyward;
let databaseUrl: string | undefined;
let keyward: KeywardProcess | undefined;
beforeAll(async () => {
  compiled = await CompiledKeyward.make();
  databaseUrl = isEmbedded ? undefined : await createDatabase();
});
afterAll(async () => {
  await compiled?.remove();
  if (databaseUrl !== undefined) await dropDatabase(databaseUrl);
});

function start(): Promise<KeywardProcess> {
  // Of all rounds together.
  const limits = { SERVICE_ACCOUNTS_PER_ORGANIZATION_MAX: '10000', TOKENS_PER_OWNER_MAX: '100000' };
  return compiled.start({
    ...VERIFYING,
    ...limits,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  });
}

/**
 * Callers who create accounts and a token of each, until the service is no longer there. Every other one does so as the
 * first person of an organization that nobody has used before, so that organizations and owners come into being as well.
 */
class AccountStream {
  readonly accounts: ServiceAccount[] = [];
  readonly tokens: IssuedToken[] = [];
  readonly end: Promise<void>;

  constructor(owner: Person) {
    const stranger = (): Promise<Person> => Person.signIn(owner.url, { org: unique('org'), sub: unique('owner') });
    const callers = Array.from({ length: ACCOUNT_CALLERS }, (_, index) =>
      this.create(index % 2 === 0 ? () => owner : stranger),
    );
    this.end = Promise.all(callers).then(() => undefined);
  }

  private async create(signIn: () => Person | Promise<Person>): Promise<void> {
    for (;;) {
      const person = await signIn();
      const account = await post<ServiceAccount>(person, '/service-accounts', { name: unique('Account') });
      if (account === undefined) return;
      this.accounts.push(account);
      const token = await post<IssuedToken>(person, tokensPath(account), { name: 'Token', scopes: SCOPES });
      if (token === undefined) return;
      this.tokens.push(token);
    }
  }
}

/** What was created; undefined when the service is gone, or has lost its database in the same moment. */
async function post<T>(client: Client, path: string, body: object): Promise<T | undefined> {
  const answer = await client.post<T>(path, { body }).catch(() => undefined);
  return answer === undefined || answer.status >= 500 ? undefined : expectStatus(answer, 201);
}

function tokensPath({ slug }: { readonly slug: string }): string {
  return `/service-accounts/${slug}/tokens`;
}

/** Kills the service while a dozen callers wait for the creation of something. @returns what they got no answer to */
async function killAmidCreations(
  running: KeywardProcess,
  account: ServiceAccount,
  takesServer: boolean,
): Promise<Attempt[]> {
  const owner = await Person.signIn(running.url, OWNER);
  const ofTokens = new TokenStream(owner, account.slug);
  const ofAccounts = new AccountStream(owner);
  const enough = randomInt(1, ACKNOWLEDGED_MAX);
  await eventually(PATIENCE_MS, () => ofTokens.acknowledged.length + ofAccounts.tokens.length >= enough);
  const killServer = takesServer ? await compiled.aimAtEmbeddedPostgres() : undefined;
  killServer?.();
  await Promise.all([running.kill(), ofTokens.end, ofAccounts.end]);
  accounts.push(...ofAccounts.accounts);
  tokens.push(...ofTokens.acknowledged, ...ofAccounts.tokens);
  return ofTokens.unanswered;
}

async function expectAcknowledgedThere(restarted: KeywardProcess, pool: Pool): Promise<void> {
  const missing = await pool.query(
    'select id from unnest($1::uuid[]) as a (id) except select id from service_accounts',
    [accounts.map(({ id }) => id)],
  );
  expect(missing.rows).toEqual([]);
  for (let from = 0; from < tokens.length; from += BATCH_MAX) {
    const batch = tokens.slice(from, from + BATCH_MAX);
    const verdicts = await verifyBatch(
      platform(restarted),
      batch.map(({ token }) => ({ token })),
    );
    expect(batch.filter((_, index) => verdicts[index]?.code !== 'VALID').map(({ name }) => name)).toEqual([]);
  }
  for (const { token, id, serviceAccountId } of [tokens.at(0)!, tokens.at(-1)!]) {
    const { slug } = accounts.find((account) => account.id === serviceAccountId)!;
    const listed = await platform(restarted).holding(token).get<Token[]>(tokensPath({ slug }));
    expect(expectStatus(listed, 200).map((one) => one.id)).toContain(id);
  }
}

/** Sent again with its key, what got no answer is there once, whether or not it was there before. */
async function expectRepeatable(
  restarted: KeywardProcess,
  account: ServiceAccount,
  unanswered: Attempt[],
): Promise<void> {
  const owner = await Person.signIn(restarted.url, OWNER);
  const answers = await Promise.all(
    unanswered.map(({ key, body }) =>
      owner.post<Token>(tokensPath(account), { body, headers: { 'idempotency-key': key } }),
    ),
  );
  const listed = expectStatus(await owner.get<Token[]>(tokensPath(account)), 200);
  for (const answer of answers) {
    const { id, name } = expectStatus(answer, 201);
    expect(listed.filter((token) => token.name === name).map((token) => token.id)).toEqual([id]);
  }
}

const rounds = Array.from({ length: ROUNDS }, (_, index) => {
  const takesServer = isEmbedded && index % SERVER_EVERY === SERVER_EVERY - 1;
  return { round: index + 1, takesServer, victim: takesServer ? 'the service and its PostgreSQL' : 'the service' };
});

describe('kill -9 in the middle of creations loses nothing acknowledged and leaves nothing half made', () => {
  it.each(rounds)(
    'round $round over the same data, of $victim',
    async ({ takesServer }) => {
      const running = keyward ?? (await start());
      keyward = undefined;
      const account = await createAccount(await Person.signIn(running.url, OWNER), { name: unique('Account') });
      accounts.push(account);
      const unanswered = await killAmidCreations(running, account, takesServer);
      expect(unanswered.length).toBeGreaterThan(0);

      keyward = await start();
      const pool = openPool(databaseUrl ?? (await compiled.embeddedUrl()));
      try {
        await expectAcknowledgedThere(keyward, pool);
        await expectNothingHalfMade(pool);
        expect((await pool.query(EVENTS_WITHOUT_ACCOUNT)).rows).toEqual([]);
      } finally {
        await pool.end();
      }
      await expectRepeatable(keyward, account, unanswered);
    },
    ROUND_TIMEOUT_MS,
  );
});
