import { expectStatus } from '../support/callers.js';
import type { Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectProblem } from '../support/problems.js';
import { ask, codeOf, platform, Tenant, VERIFYING } from '../support/verification.js';

const FORBIDDEN = 'FORBIDDEN_ADDRESS';

describe('a token for certain addresses', () => {
  let keyward: Keyward;
  let tenant: Tenant;
  let operator: Client;
  beforeAll(async () => {
    keyward = await startKeyward({ env: VERIFYING });
    operator = platform(keyward);
    tenant = await Tenant.create(keyward);
  });
  afterAll(() => keyward?.close());

  it.each<[string, readonly (string | undefined)[], readonly (string | undefined)[]]>([
    ['192.0.2.7', ['192.0.2.7'], ['192.0.2.8', '192.0.2.70', '2001:db8::7', undefined]],
    ['192.0.2.0/24', ['192.0.2.0', '192.0.2.255'], ['192.0.1.255', '192.0.3.0']],
    ['192.0.2.128/25', ['192.0.2.128'], ['192.0.2.127']],
    ['192.0.2.7/32', ['192.0.2.7'], ['192.0.2.6']],
    ['0.0.0.0/0', ['203.0.113.9', '255.255.255.255'], ['2001:db8::1', undefined]],
    ['2001:db8::1', ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:db8::1%eth0'], ['2001:db8::2', '192.0.2.7']],
    ['2001:db8::/32', ['2001:db8:ffff::1'], ['2001:db7:ffff::1', '2001:db9::']],
    ['2001:db8::8000/113', ['2001:db8::ffff'], ['2001:db8::7fff']],
    ['::/0', ['2001:db8::1', '::1'], ['192.0.2.7', undefined]],
    ['::ffff:192.0.2.7', ['192.0.2.7', '::ffff:192.0.2.7', '::ffff:c000:207'], ['192.0.2.8', '2001:db8::7']],
    ['::ffff:192.0.2.0/120', ['192.0.2.200', '::FFFF:192.0.2.200'], ['192.0.3.1']],
  ])('that is bound to %s is good from there only, in whatever spelling', async (range, inside, outside) => {
    const { token } = await tenant.issue({ authorizedIpAddresses: [range] });
    for (const ipAddress of inside)
      expect([ipAddress, await codeOf(operator, token, { ipAddress })]).toEqual([ipAddress, 'VALID']);
    for (const ipAddress of outside)
      expect([ipAddress, await codeOf(operator, token, { ipAddress })]).toEqual([ipAddress, FORBIDDEN]);
  });

  it('is good from each of several ranges, of both families', async () => {
    const { token } = await tenant.issue({
      authorizedIpAddresses: ['198.51.100.0/24', '2001:db8:1::/48', '192.0.2.7'],
    });
    for (const ipAddress of ['198.51.100.9', '2001:db8:1::9', '192.0.2.7', '::ffff:198.51.100.9']) {
      expect(await codeOf(operator, token, { ipAddress })).toBe('VALID');
    }
    for (const ipAddress of ['198.51.101.9', '2001:db8:2::9', '192.0.2.8']) {
      expect(await codeOf(operator, token, { ipAddress })).toBe(FORBIDDEN);
    }
  });

  it('is not good where the address is not told: that of the asker is not its own', async () => {
    const { token } = await tenant.issue({ authorizedIpAddresses: ['127.0.0.1', '::1'] });
    expect(await codeOf(operator, token)).toBe(FORBIDDEN);
    expect(await codeOf(operator, token, { ipAddress: '127.0.0.1' })).toBe('VALID');
  });

  it('is not good from the IPv6 address that writes its IPv4 address behind zeros (RFC 4291 §2.5.5.1, deprecated)', async () => {
    const { token } = await tenant.issue({ authorizedIpAddresses: ['192.0.2.7'] });
    for (const ipAddress of ['::192.0.2.7', '::c000:207']) {
      expect((await ask(operator, token, { ipAddress })).body.valid).not.toBe(true);
    }
  });

  it('that is for any address is good from anywhere, known or not', async () => {
    const { token } = await tenant.issue();
    for (const ipAddress of [undefined, '192.0.2.7', '2001:db8::1']) {
      expect(await codeOf(operator, token, { ipAddress })).toBe('VALID');
    }
  });
});

/** Every place where the address of a caller counts: the management API, the plane, and what a proxy asks. */
const PLACES: readonly (readonly [string, (holder: Client, headers: Record<string, string>) => Promise<boolean>])[] = [
  [
    'the management API',
    async (holder, headers) => {
      const answer = await holder.get('/service-accounts?limit=1', { headers });
      if (answer.status !== 200) expectProblem(answer, 403, 'access.address_not_authorized');
      return answer.status === 200;
    },
  ],
  [
    'who asks on the verification plane',
    async (holder, headers) => {
      const answer = await holder.post('/tokens/verify', { body: { token: 'x' }, headers });
      if (answer.status !== 200) expectProblem(answer, 403, 'access.address_not_authorized');
      return answer.status === 200;
    },
  ],
  [
    'forward-auth',
    async (holder, headers) => {
      const answer = await holder.get('/forward-auth', { headers });
      if (answer.status !== 200)
        expect([answer.status, answer.headers.get('x-keyward-code')]).toEqual([403, FORBIDDEN]);
      return answer.status === 200;
    },
  ],
];
const SCOPES = ['service_accounts:read', 'api_tokens:verify'];
const CALLER = '192.0.2.7';

/** What each hop says that came before it, and whether that makes the caller the one at the address. */
type Claims = readonly (readonly [address: string, forwardedFor: string, isTaken: boolean])[];

const TRUST: readonly (readonly [string, string, Claims])[] = [
  [
    'is the one that the trusted proxy saw, and never the left-most as it came',
    '127.0.0.1',
    [
      [CALLER, CALLER, true],
      ['127.0.0.1', CALLER, false],
      // The caller wrote what comes first, the proxy what comes last.
      [CALLER, `${CALLER}, 203.0.113.9`, false],
      ['203.0.113.9', `${CALLER}, 203.0.113.9`, true],
      [CALLER, `${CALLER}, 127.0.0.1, 203.0.113.9`, false],
      [CALLER, `127.0.0.1, 203.0.113.9, ${CALLER}`, true],
      [CALLER, `,,${CALLER},unknown`, false],
      ['2001:db8::7', `${CALLER}, 2001:DB8:0::7`, true],
      [CALLER, `::ffff:${CALLER}`, true],
    ],
  ],
  [
    'is looked for behind every trusted proxy, and behind no other',
    '127.0.0.0/8,10.0.0.0/8,2001:db8:1::/48',
    [
      [CALLER, `forged, ${CALLER}, 10.1.2.3`, true],
      [CALLER, `${CALLER}, 2001:db8:1::5, 10.1.2.3`, true],
      [CALLER, `${CALLER}, 11.1.2.3, 10.1.2.3`, false],
      ['11.1.2.3', `${CALLER}, 11.1.2.3, 10.1.2.3`, true],
    ],
  ],
  [
    'is believed of nobody but the trusted proxy',
    '192.0.2.250',
    [
      [CALLER, CALLER, false],
      ['127.0.0.1', CALLER, true],
    ],
  ],
];
const HEADERS = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'];

describe.each([
  ...TRUST,
  ['is that of the connection where no proxy is trusted, whatever a header says', '', []] as const,
])('the address of a caller %s', (_, trusted, claims) => {
  let keyward: Keyward;
  let tenant: Tenant;
  beforeAll(async () => {
    keyward = await startKeyward({ env: { TRUST_PROXY: trusted } });
    tenant = await Tenant.create(keyward);
  });
  afterAll(() => keyward?.close());

  it.each(PLACES)('at %s', async (__, isLetIn) => {
    const tokens = new Map<string, Client>();
    for (const address of [CALLER, '127.0.0.1', '203.0.113.9', '2001:db8::7', '11.1.2.3']) {
      const { token } = await tenant.issue({ scopes: SCOPES, authorizedIpAddresses: [address] });
      tokens.set(address, tenant.owner.holding(token));
    }
    for (const [address, forwardedFor, isTaken] of claims) {
      const headers = { 'x-forwarded-for': forwardedFor };
      expect([forwardedFor, await isLetIn(tokens.get(address)!, headers)]).toEqual([forwardedFor, isTaken]);
    }
    for (const name of trusted === '' ? HEADERS : HEADERS.slice(1)) {
      const headers = { [name]: name === 'forwarded' ? `for=${CALLER}` : CALLER };
      expect([name, await isLetIn(tokens.get(CALLER)!, headers)]).toEqual([name, false]);
      expect([name, await isLetIn(tokens.get('127.0.0.1')!, headers)]).toEqual([name, true]);
    }
  });
});

it('a caller outside who names an address in the body asks about it, and is not taken to be there', async () => {
  const keyward = await startKeyward({ env: VERIFYING });
  try {
    const tenant = await Tenant.create(keyward);
    const { token } = await tenant.issue({ scopes: ['api_tokens:verify'], authorizedIpAddresses: [CALLER] });
    const answer = await tenant.owner.holding(token).post('/tokens/verify', { body: { token, ipAddress: CALLER } });
    expectProblem(answer, 403, 'access.address_not_authorized');
    const body = { token, ipAddress: CALLER };
    expect(expectStatus(await platform(keyward).post('/tokens/verify', { body }), 200)).toMatchObject({ valid: true });
  } finally {
    await keyward.close();
  }
});
