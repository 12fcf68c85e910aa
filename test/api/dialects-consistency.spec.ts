import { createAccount, expectStatus, issueToken, unique } from '../support/callers.js';
import { eventually } from '../support/eventually.js';
import type { Client } from '../support/http.js';
import { type ApiToken, expectRefused, KatapultTenant, unixSeconds } from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import {
  ACCOUNTS,
  accountPath,
  createUnleashAccount,
  EDITOR,
  expectDeleted,
  expectError,
  issuePat,
  listAccounts,
  listPats,
  patsPath,
  PERSONAL_TOKENS,
  unleash,
  type UnleashPat,
} from '../support/unleash.js';
import { codeOf, platform, verify, VERIFYING } from '../support/verification.js';
import type { IssuedToken, Token } from '../support/wire.js';

const SCOPES = ['service_accounts:read', 'api_tokens:read'];
const ADDRESSES = ['127.0.0.1', '192.0.2.0/24', '2001:db8::/32'];
const ADDRESS = '192.0.2.7';
const ANNOTATIONS = { stage: 'live', team: 'payments' };
const PAIRS = Object.entries(ANNOTATIONS).map(([key, value]) => ({ key, value }));
const RATE_LIMIT = 6_000;

/** A token as its maker knows it. */
interface Made {
  readonly name: string;
  readonly secret: string;
  readonly expiresAtSeconds: number;
  /** Of the service account that has it; without one it is the organization's own. */
  readonly accountSlug?: string;
}

type NativeToken = Token & { readonly lastUsedAt?: string };

/** A token with the words of all three dialects for it. */
interface Views {
  readonly native: NativeToken;
  readonly katapult: ApiToken;
  /** Undefined for a token that this dialect does not show. */
  readonly unleash: UnleashPat | undefined;
}

let keyward: Keyward;
let operator: Client;
let tenant: KatapultTenant;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, USAGE_FLUSH_INTERVAL_MS: '100' } });
  operator = platform(keyward);
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
});

const inAnHour = (): { expiresAtSeconds: number; expiresAt: string } => {
  const expiresAtSeconds = unixSeconds(3_600);
  return { expiresAtSeconds, expiresAt: new Date(expiresAtSeconds * 1_000).toISOString() };
};

const settings = (): object => ({
  scopes: SCOPES,
  authorizedIpAddresses: ADDRESSES,
  annotations: ANNOTATIONS,
  rateLimit: RATE_LIMIT,
});

async function makeNative(): Promise<Made> {
  const { expiresAt, expiresAtSeconds } = inAnHour();
  const { slug } = await createAccount(tenant.owner, { name: unique('Account') });
  const { name, token } = await issueToken(tenant.owner, slug, { ...settings(), expiresAt });
  return { name, secret: token, expiresAtSeconds, accountSlug: slug };
}

async function makeNativeOfOrganization(): Promise<Made> {
  const { expiresAt, expiresAtSeconds } = inAnHour();
  const body = { ...settings(), name: unique('token'), expiresAt };
  const { name, token } = expectStatus(await tenant.owner.post<IssuedToken>('/organization/tokens', { body }), 201);
  return { name, secret: token, expiresAtSeconds };
}

async function makeUnleash(): Promise<Made> {
  const { expiresAt, expiresAtSeconds } = inAnHour();
  const client = unleash(tenant.owner);
  const account = await createUnleashAccount(client, { rootRole: EDITOR });
  const { description, secret } = await issuePat(client, patsPath(account), { expiresAt });
  return { name: description, secret, expiresAtSeconds, accountSlug: account.username };
}

async function makeKatapult(): Promise<Made> {
  const { expiresAtSeconds } = inAnHour();
  const properties = { scopes: SCOPES, authorized_ip_addresses: ADDRESSES, expires_at: expiresAtSeconds };
  const { name, secret } = await tenant.create(properties, PAIRS);
  return { name, secret, expiresAtSeconds };
}

const MAKERS: [string, () => Promise<Made>][] = [
  ['the native dialect, for a service account', makeNative],
  ['the native dialect, for the organization', makeNativeOfOrganization],
  ['the Unleash dialect', makeUnleash],
  ['the Katapult dialect', makeKatapult],
];

function nativePath({ accountSlug }: Made): string {
  return accountSlug === undefined ? '/organization/tokens' : `/service-accounts/${accountSlug}/tokens`;
}

async function findNative(made: Made): Promise<NativeToken | undefined> {
  const tokens = expectStatus(await tenant.owner.get<NativeToken[]>(nativePath(made)), 200);
  return tokens.find(({ name }) => name === made.name);
}

async function findUnleash({ name }: Made): Promise<{ path: string; pat: UnleashPat } | undefined> {
  const client = unleash(tenant.owner);
  for (const account of await listAccounts(client)) {
    const pats = await listPats(client, patsPath(account));
    expect(unseen(account.tokens)).toEqual(unseen(pats));
    const pat = pats.find(({ description }) => description === name);
    if (pat !== undefined) return { path: `${patsPath(account)}/${pat.id}`, pat };
  }
  return undefined;
}

/** In one order, and without the last use, which may be written down between two reads. */
function unseen(pats: readonly UnleashPat[]): object[] {
  return pats.map((pat) => ({ ...pat, seenAt: undefined })).sort(byId);
}

function byId(one: { readonly id: number }, other: { readonly id: number }): number {
  return one.id - other.id;
}

async function view(made: Made): Promise<Views> {
  const [native, katapult] = [await findNative(made), await tenant.find(made.name)];
  return { native: native!, katapult: katapult!, unleash: (await findUnleash(made))?.pat };
}

/** Whether each dialect that the scopes are good for lets the holder of a secret in. */
async function letsIn(secret: string): Promise<{ native: boolean; katapult: boolean; verify: boolean }> {
  const { status } = await tenant.owner.holding(secret).get('/service-accounts?limit=1');
  return {
    native: status === 200,
    katapult: (await tenant.caller.holding(secret).get(tenant.listPath())).status === 200,
    verify: (await codeOf(operator, secret, { ipAddress: ADDRESS })) === 'VALID',
  };
}

const EVERYWHERE = { native: true, katapult: true, verify: true };
const NOWHERE = { native: false, katapult: false, verify: false };

describe.each(MAKERS)('a token made through %s', (_dialect, make) => {
  let made: Made;
  beforeEach(async () => {
    made = await make();
  });

  it('has one name and one expiry', async () => {
    const { native, katapult, unleash: pat } = await view(made);
    const verdict = await verify(operator, made.secret, { ipAddress: ADDRESS });
    expect([native.name, katapult.name, verdict.token?.name]).toEqual([made.name, made.name, made.name]);
    expect(katapult.expires_at).toBe(made.expiresAtSeconds);
    for (const expiresAt of [native.expiresAt, verdict.expiresAt]) {
      expect(Date.parse(expiresAt!)).toBe(made.expiresAtSeconds * 1_000);
    }
    expect(pat !== undefined).toBe(made.accountSlug !== undefined);
    if (pat !== undefined) expect(Date.parse(pat.expiresAt)).toBe(made.expiresAtSeconds * 1_000);
  });

  it('has the same scopes, addresses and limit', async () => {
    const { native, katapult } = await view(made);
    const verdict = await verify(operator, made.secret, { ipAddress: ADDRESS });
    expect(katapult.scopes).toEqual(native.scopes);
    expect([...(verdict.scopes ?? [])].sort()).toEqual([...native.scopes].sort());
    expect(native.scopes).toEqual(make === makeUnleash ? expect.any(Array) : SCOPES);
    expect(katapult.authorized_ip_addresses).toEqual(native.authorizedIpAddresses);
    expect(native.authorizedIpAddresses).toEqual(make === makeUnleash ? [] : ADDRESSES);
    expect(katapult.rate_limit).toBe(native.rateLimit ?? keyward.config.settings.RATE_LIMIT_PER_MINUTE);
    expect(verdict.rateLimit?.limit).toBe(native.rateLimit);
    const outside = await codeOf(operator, made.secret, { ipAddress: '203.0.113.9' });
    expect(outside).toBe(make === makeUnleash ? 'VALID' : 'FORBIDDEN_ADDRESS');
  });

  it('has the same annotations, and is found by them', async () => {
    if (make === makeUnleash) {
      const { katapult } = await view(made);
      expectStatus(await tenant.patch(katapult, { properties: {}, annotations: PAIRS }), 200);
    }
    const { native, katapult } = await view(made);
    expect(native.annotations).toEqual(ANNOTATIONS);
    expect((await verify(operator, made.secret, { ipAddress: ADDRESS })).annotations).toEqual(ANNOTATIONS);
    const patched = expectStatus(await tenant.patch(katapult, { properties: {} }), 200);
    expect(Object.fromEntries(patched.annotations.map(({ key, value }) => [key, value]))).toEqual(ANNOTATIONS);
    const query = PAIRS.map(({ key, value }) => `annotations[][key]=${key}&annotations[][value]=${value}`).join('&');
    expect((await tenant.list(query)).api_tokens.map(({ name }) => name)).toEqual([made.name]);
  });

  it('was last used at the same moment', async () => {
    const before = await view(made);
    expect([before.native.lastUsedAt, before.unleash?.seenAt ?? null]).toEqual([undefined, null]);
    const usedAt = Date.now();
    expect(await codeOf(operator, made.secret, { ipAddress: ADDRESS })).toBe('VALID');
    await eventually(10_000, async () => (await findNative(made))?.lastUsedAt !== undefined);
    const { native, unleash: pat } = await view(made);
    expect(Date.parse(native.lastUsedAt!)).toBeGreaterThanOrEqual(usedAt);
    if (pat !== undefined) expect(Date.parse(pat.seenAt!)).toBe(Date.parse(native.lastUsedAt!));
  });

  it('is shown everywhere as it was changed through any', async () => {
    const { native, katapult } = await view(made);
    const names = { native: unique('native'), katapult: unique('katapult') };
    const changes: [string, () => Promise<unknown>][] = [
      [names.katapult, () => tenant.patch(katapult, { properties: { name: names.katapult } })],
      [names.native, () => tenant.owner.patch(`${nativePath(made)}/${native.slug}`, { body: { name: names.native } })],
    ];
    for (const [name, change] of changes) {
      await change();
      const now = await view({ ...made, name });
      expect([now.native?.id, now.katapult?.id]).toEqual([native.id, katapult.id]);
      expect(now.unleash?.description).toBe(made.accountSlug === undefined ? undefined : name);
      expect((await verify(operator, made.secret, { ipAddress: ADDRESS })).token?.name).toBe(name);
    }
  });

  it('has one secret, whichever renewed it', async () => {
    const { native, katapult } = await view(made);
    expect(await letsIn(made.secret)).toEqual(EVERYWHERE);
    const { secret } = expectStatus(await tenant.regenerate(katapult), 200).api_token;
    expect([await letsIn(made.secret), await letsIn(secret)]).toEqual([NOWHERE, EVERYWHERE]);
    const rotated = await tenant.owner.post<IssuedToken>(`${nativePath(made)}/${native.slug}/rotate`);
    const { token } = expectStatus(rotated, 200);
    expect([await letsIn(secret), await letsIn(token)]).toEqual([NOWHERE, EVERYWHERE]);
    expect((await tenant.find(made.name))?.id).toBe(katapult.id);
  });
});

/** Each revokes and, asked again, says that there is nothing to revoke. */
const REVOKERS = {
  'the native dialect': async (made: Made) => {
    const { slug } = (await findNative(made))!;
    const path = `${nativePath(made)}/${slug}`;
    const revoke = async (): Promise<void> => void expectStatus(await tenant.owner.delete(path), 204);
    const again = async (): Promise<void> => {
      expectProblem(await tenant.owner.delete(path), 404, 'token.not_found');
    };
    return { revoke, again };
  },
  'the Unleash dialect': async (made: Made) => {
    const { path } = (await findUnleash(made))!;
    const revoke = async (): Promise<void> => expectDeleted(await unleash(tenant.owner).delete(path));
    const again = async (): Promise<void> => {
      expectError(await unleash(tenant.owner).delete(path), 404, 'NotFoundError');
    };
    return { revoke, again };
  },
  'the Katapult dialect': async (made: Made) => {
    const token = (await tenant.find(made.name))!;
    const revoke = async (): Promise<void> => void expectStatus(await tenant.delete(token), 200);
    const again = async (): Promise<void> => {
      expectRefused(await tenant.delete(token), 'api_token_not_found', {});
    };
    return { revoke, again };
  },
} as const;
type Dialect = keyof typeof REVOKERS;

describe.each(MAKERS)('the revocation of a token made through %s', (_dialect, make) => {
  const isOfAccount = make === makeNative || make === makeUnleash;
  const dialects = (Object.keys(REVOKERS) as Dialect[]).filter(
    (dialect) => isOfAccount || dialect !== 'the Unleash dialect',
  );

  it.each(dialects)('through %s kills it in all', async (dialect) => {
    const made = await make();
    const revokers = await Promise.all(dialects.map((each) => REVOKERS[each](made)));
    expect(await letsIn(made.secret)).toEqual(EVERYWHERE);

    await revokers[dialects.indexOf(dialect)]!.revoke();

    expect(await codeOf(operator, made.secret, { ipAddress: ADDRESS })).toBe('REVOKED');
    expectProblem(await tenant.owner.holding(made.secret).get('/service-accounts'), 401, 'authentication.invalid');
    expectError(await unleash(tenant.owner).holding(made.secret).get(ACCOUNTS), 401, 'UnauthorizedError');
    const used = await tenant.caller.holding(made.secret).get(tenant.listPath());
    expectRefused(used, 'invalid_api_token', { details: null });

    expect((await findNative(made))?.revokedAt).toEqual(expect.any(String));
    expect([await findUnleash(made), await tenant.find(made.name)]).toEqual([undefined, undefined]);
    for (const { again } of revokers) await again();
  });
});

describe.each<[string, (slug: string) => Promise<unknown>]>([
  ['the native dialect', (slug) => tenant.owner.delete(`/service-accounts/${slug}`)],
  [
    'the Unleash dialect',
    async (slug) => {
      const client = unleash(tenant.owner);
      const account = (await listAccounts(client)).find(({ username }) => username === slug)!;
      expectDeleted(await client.delete(accountPath(account)));
    },
  ],
])('an account deleted through %s', (_dialect, remove) => {
  it.each([
    ['the native dialect', makeNative],
    ['the Unleash dialect', makeUnleash],
  ])('takes the tokens made through %s with it, in all', async (__, make) => {
    const made = await make();
    const { katapult } = await view(made);
    expect(await letsIn(made.secret)).toEqual(EVERYWHERE);
    await remove(made.accountSlug!);
    expect(await letsIn(made.secret)).toEqual(NOWHERE);
    expectProblem(await tenant.owner.get(nativePath(made)), 404, 'service_account.not_found');
    expect([await findUnleash(made), await tenant.find(made.name)]).toEqual([undefined, undefined]);
    expectRefused(await tenant.delete(katapult), 'api_token_not_found', {});
  });
});

it('a personal token made through the Unleash dialect is shown to its person there and natively, and in no Katapult list', async () => {
  const { expiresAt } = inAnHour();
  const pat = await issuePat(unleash(tenant.owner), PERSONAL_TOKENS, { expiresAt });
  const verdict = await verify(operator, pat.secret);
  expect(verdict).toMatchObject({ code: 'VALID', token: { name: pat.description }, user: { id: expect.any(String) } });
  const native = expectStatus(await tenant.owner.get<NativeToken[]>('/user/tokens'), 200);
  expect(native.map(({ name }) => name)).toEqual([pat.description]);
  expect(Date.parse(native[0]!.expiresAt!)).toBe(Date.parse(expiresAt));
  expect((await listPats(unleash(tenant.owner), PERSONAL_TOKENS)).map(({ id }) => id)).toEqual([pat.id]);
  expect((await tenant.list()).api_tokens).toEqual([]);
  expectDeleted(await unleash(tenant.owner).delete(`${PERSONAL_TOKENS}/${pat.id}`));
  expect(await codeOf(operator, pat.secret)).toBe('REVOKED');
});
