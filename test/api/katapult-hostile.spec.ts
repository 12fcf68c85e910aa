import { connect } from 'node:net';
import fc from 'fast-check';
import { parseQuery } from '../../src/compat/katapult/query.js';
import { Refusal } from '../../src/errors/refusal.js';
import { expectStatus, unique } from '../support/callers.js';
import type { Answer } from '../support/http.js';
import {
  expectRefused,
  type Katapult,
  KatapultTenant,
  ORGANIZATION,
  ORGANIZATIONS,
  REGENERATE,
  TOKEN,
  TOKENS,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { DIALECTS } from '../support/route-dialects.js';
import { encodedText } from '../support/route-generator.js';

const SEED = 20_261_123;
const QUERIES = 600;
const BODIES = 600;
const PARSED = 20_000;
const CALLERS = 8;
/** Far beyond what any request takes, and far below what an algorithm of the wrong order would. */
const ANSWER_MS_MAX = 2_000;
const PARSE_MS_MAX = 250;
const BODY_BYTES_MAX = 65_536;

let keyward: Keyward;
let tenant: KatapultTenant;
let caller: Katapult;

beforeAll(async () => {
  keyward = await startKeyward({ env: { LOG_LEVEL: 'warn', BODY_BYTES_MAX: String(BODY_BYTES_MAX) } });
  tenant = await KatapultTenant.create(keyward);
  caller = tenant.caller;
  await tenant.create({ scopes: [] }, [{ key: 'team', value: 'payments' }]);
});
afterAll(() => keyward?.close());

/** Nothing failed, nothing was polluted, and the service answers as before. */
afterEach(async () => {
  expect(keyward.logs.filter((line) => !line.includes('"level":"warn"'))).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
  expectStatus(await caller.get(ORGANIZATIONS), 200);
});

/** What is wrong with an answer; undefined when it is of the dialect, and in time. */
function complaintAbout({ status, headers, body, text }: Answer, milliseconds: number): string | undefined {
  if (milliseconds > ANSWER_MS_MAX) return `${status} after ${milliseconds} ms`;
  if (status === 200) return undefined;
  const isError = DIALECTS.katapult.isError(headers.get('content-type') ?? '', body as Record<string, unknown>);
  return isError && status < 500 ? undefined : `${status} ${text.slice(0, 300)}`;
}

/** Sends all of these, several at a time, and tells what was answered wrongly. */
async function complaintsAbout(
  shots: readonly (readonly [method: string, path: string, body?: string])[],
): Promise<string[]> {
  const complaints: string[] = [];
  const queue = shots.values();
  const call = async (): Promise<void> => {
    for (const [method, path, body] of queue) {
      const from = performance.now();
      const answer = await caller.request(method, path, { body });
      const complaint = complaintAbout(answer, performance.now() - from);
      if (complaint !== undefined)
        complaints.push(`${method} ${path.slice(0, 500)} ${body?.slice(0, 500) ?? ''} -> ${complaint}`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  return complaints;
}

const NAMES = [
  'organization',
  'api_token',
  'properties',
  'annotations',
  'page',
  'per_page',
  '__proto__',
  'constructor',
];
const STEPS = ['', 'id', 'sub_domain', 'key', 'value', 'name', 'scopes', '0', '1', '499', '500', '99999999999', '-1'];
const HOSTILE_STEPS = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'length',
  '[',
  ']',
  '%',
  '%00',
];
const bracket = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...STEPS).map((step) => `[${step}]`) },
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_STEPS).map((step) => `[${step}]`) },
  { weight: 1, arbitrary: fc.constantFrom('%5B%5D', '%5bkey%5d', '[', ']', '[[', ']]', '[][', '.a', '%', '%zz', '+') },
);
const pair = fc
  .tuple(
    fc.constantFrom(...NAMES),
    fc.array(bracket, { maxLength: 5 }),
    fc.oneof(encodedText, fc.constantFrom('', '1', '=', '%00', '%ff', '%ED%A0%80', '[]=', '&', '9'.repeat(30))),
  )
  .map(([name, brackets, value]) => `${name}${brackets.join('')}=${value}`);
const query = fc.array(
  fc.oneof({ weight: 9, arbitrary: pair }, { weight: 1, arbitrary: fc.constantFrom('', '=', '&', '[]', '&&=') }),
  {
    maxLength: 6,
  },
);

describe('the parser of queries', () => {
  function parse(text: string): unknown {
    try {
      return parseQuery(text);
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }

  it(`reads or refuses ${PARSED} of them, and throws nothing else (seed ${SEED})`, () => {
    for (const pairs of fc.sample(query, { seed: SEED, numRuns: PARSED })) parse(pairs.join('&'));
  }, 60_000);

  it('gives objects that inherit nothing', () => {
    const parsed = parse('organization[id]=x&constructor[prototype][polluted]=1&__proto__[polluted]=1') as object;
    expect(Object.getPrototypeOf(parsed)).toBeNull();
    expect(Object.getPrototypeOf((parsed as { organization: object }).organization)).toBeNull();
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    ['10,000 keys', Array.from({ length: 10_000 }, (_, index) => `k${index}=v`).join('&')],
    ['10,000 elements', Array.from({ length: 10_000 }, () => 'annotations[][key]=a').join('&')],
    ['500 elements of one list', Array.from({ length: 500 }, () => 'properties[scopes][]=a').join('&')],
    ['500 sparse lists', Array.from({ length: 500 }, (_, index) => `a${index}[499]=v`).join('&')],
    ['500 sparse lists in one another', Array.from({ length: 500 }, (_, index) => `a[${index}][499][499]=v`).join('&')],
    ['500 values of one key', Array.from({ length: 500 }, () => 'page=1').join('&')],
    ['a key of 5,000 levels', `a${'[b]'.repeat(5_000)}=c`],
    ['a key of 16,000 brackets', `a${'['.repeat(16_000)}=c`],
    ['a key of 8,000 pairs of brackets', `a${'[]'.repeat(8_000)}=c`],
    ['a megabyte', 'a='.padEnd(1_000_000, '%5B')],
    ['a megabyte of separators', '&'.repeat(1_000_000)],
  ])('takes no time for %s', (_, text) => {
    const from = performance.now();
    parse(text);
    expect(performance.now() - from).toBeLessThan(PARSE_MS_MAX);
  });
});

describe(`whatever is sent (seed ${SEED})`, () => {
  it(`in ${QUERIES} queries gets an answer of the dialect`, async () => {
    const targets: [string, string][] = [
      ['GET', TOKENS],
      ['POST', TOKENS],
      ['GET', ORGANIZATION],
      ['PATCH', TOKEN],
      ['DELETE', TOKEN],
      ['POST', REGENERATE],
    ];
    const generated = fc.sample(query, { seed: SEED, numRuns: QUERIES });
    const shots = generated.map((pairs, index): [string, string] => {
      const [method, path] = targets[index % targets.length]!;
      return [method, `${path}?${pairs.join('&')}`];
    });
    expect(await complaintsAbout(shots)).toEqual([]);
  }, 60_000);

  it(`in ${BODIES} bodies gets an answer of the dialect`, async () => {
    const token = await tenant.create({ scopes: [] });
    const anything = fc.anything({ withNullPrototype: false, withObjectString: true, maxDepth: 4 });
    const scalar = fc.oneof(fc.constantFrom(null, true, 0, -1, 1e308, 2 ** 53, '', '\u0000', '\ud800', 'x'), anything);
    const body = fc.record(
      {
        organization: fc.oneof(
          fc.constant(tenant.lookup),
          fc.record({ id: scalar, sub_domain: scalar }, { requiredKeys: [] }),
          scalar,
        ),
        api_token: fc.oneof(fc.constant({ id: token.id }), fc.record({ id: scalar }), scalar),
        properties: fc.oneof(
          fc.record(
            {
              name: fc.oneof(fc.constant('A name'), scalar),
              scopes: fc.oneof(fc.array(scalar, { maxLength: 3 }), fc.constant([]), scalar),
              authorized_ip_addresses: fc.oneof(
                fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), scalar), { maxLength: 3 }),
                scalar,
              ),
              expires_at: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constant('1893456000'), scalar),
            },
            { requiredKeys: [] },
          ),
          scalar,
        ),
        annotations: fc.oneof(
          fc.array(fc.record({ key: scalar, value: scalar }, { requiredKeys: [] }), { maxLength: 3 }),
          scalar,
        ),
        page: scalar,
        per_page: scalar,
      },
      { requiredKeys: [] },
    );
    const targets: [string, string][] = [
      ['POST', TOKENS],
      ['PATCH', `/core/v1/api_tokens/${token.id}`],
      ['GET', TOKENS],
      ['POST', REGENERATE],
      ['DELETE', TOKEN],
    ];
    const generated = fc.sample(body, { seed: SEED, numRuns: BODIES });
    const shots = generated.map((value, index): [string, string, string] => {
      const [method, path] = targets[index % targets.length]!;
      return [method, path, textOf(value)];
    });
    expect(await complaintsAbout(shots)).toEqual([]);
  }, 60_000);

  /** JSON has no bigint, and no undefined. */
  function textOf(value: unknown): string {
    return (
      JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) ?? 'null'
    );
  }

  const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + '1' + close.repeat(depth);
  it.each([
    ['nested lists', nested(30_000, '[', ']')],
    ['nested objects', nested(10_000, '{"a":', '}')],
    ['nested objects of an argument', `{"organization":${nested(10_000, '{"id":', '}')}}`],
    ['nested annotations', `{"annotations":[${nested(10_000, '[', ']')}]}`],
    [
      '10,000 keys',
      JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index]))),
    ],
    [
      '10,000 annotations',
      JSON.stringify({ annotations: Array.from({ length: 2_000 }, () => ({ key: 'a', value: 'b' })) }),
    ],
    ['a number of 60,000 digits', `{"page":${'9'.repeat(60_000)}}`],
    ['__proto__', '{"__proto__":{"polluted":true},"organization":{"__proto__":{"polluted":true,"id":"x"}}}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"polluted":true}}}'],
    [
      'an annotation of __proto__',
      '{"annotations":[{"key":"__proto__","value":"polluted"}],"properties":{"name":"x"}}',
    ],
    ['an annotation of constructor', '{"annotations":[{"key":"constructor","value":"x"}],"properties":{"name":"x"}}'],
  ])('as %s gets an answer of the dialect, on each route and with an Idempotency-Key', async (_, body) => {
    for (const [method, path] of [
      ['GET', `/core/v1/organizations/${tenant.organization.id}/api_tokens`],
      ['POST', `/core/v1/organizations/${tenant.organization.id}/api_tokens`],
      ['PATCH', TOKEN],
      ['DELETE', TOKEN],
    ] as const) {
      const from = performance.now();
      const answer = await caller.request(method, path, { body, headers: { 'idempotency-key': unique('key') } });
      expect(complaintAbout(answer, performance.now() - from)).toBeUndefined();
    }
  });
});

describe('a body', () => {
  const head = (method: string, path: string, headers: readonly string[], token = caller.token): string =>
    [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${token}`, ...headers, '', ''].join('\r\n');
  const last = (): string => head('GET', ORGANIZATIONS, ['Connection: close']);

  /** The statuses of all answers on one connection, which has this written to it at once. */
  function statusesOf(bytes: string): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(keyward.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.setTimeout(10_000, () => socket.destroy(new Error('neither an answer nor an end in 10 s')));
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? undefined : reject(error)));
      socket.on('close', () => resolve([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))));
      socket.write(bytes);
    });
  }

  it('is refused in the dialect where it is too large, announced or not', async () => {
    const large = JSON.stringify({ organization: tenant.lookup, colour: 'x'.repeat(BODY_BYTES_MAX) });
    for (const method of ['GET', 'POST']) {
      const announced = await caller.request(method, TOKENS, { body: large });
      expectRefused(announced, 'invalid_json_body', { details: expect.any(String) });
      const chunk = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
      const request = head(method, TOKENS, ['Transfer-Encoding: chunked', 'Content-Type: application/json']);
      expect(await statusesOf(request + chunk)).toEqual([400]);
    }
  });

  it('in chunks is read, of a GET too', async () => {
    const body = JSON.stringify({ organization: tenant.lookup, per_page: 0 });
    const chunks = [body.slice(0, 10), body.slice(10)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    const request = head('GET', TOKENS, ['Transfer-Encoding: chunked', 'Content-Type: application/json']);
    expect(await statusesOf(`${request}${chunks.join('')}0\r\n\r\n${last()}`)).toEqual([400, 200]);
  });

  it('that is not read, since the credential is refused first, is no next request', async () => {
    const smuggled = head('GET', '/core/v1/nowhere', []);
    for (const method of ['GET', 'POST', 'DELETE']) {
      const path = method === 'DELETE' ? TOKEN : TOKENS;
      const request = head(method, path, [`Content-Length: ${smuggled.length}`], 'x');
      expect(await statusesOf(request + smuggled + last())).toEqual([403, 200]);
    }
  });

  it('is judged after the credential, the limit and the scope', async () => {
    const options = { body: '{', headers: { 'content-type': 'text/plain' } };
    expectRefused(await caller.holding(undefined).post(TOKENS, options), 'missing_api_token', {});
    expectRefused(await caller.holding('x').post(TOKENS, options), 'invalid_api_token', { details: null });
    const holder = await tenant.holder('organizations:read');
    expectRefused(await holder.post(TOKENS, options), 'scope_not_granted', { scopes: ['api_tokens'] });
    expectRefused(await caller.post(TOKENS, options), 'invalid_json_body', { details: expect.any(String) });
  });

  it('is read and refused alike where the path is written in another way', async () => {
    const path = TOKENS.replace('/core', '/c%6Fre');
    for (const method of ['GET', 'POST']) {
      const body = { organization: tenant.lookup, properties: { name: unique('written') } };
      expectStatus(await caller.request(method, path, { body }), 200);
      expectRefused(await caller.request(method, path, { body: '{' }), 'invalid_json_body');
      expectRefused(await caller.holding('x').request(method, path, { body: '{' }), 'invalid_api_token');
    }
  });

  it('of another type, or no object, is refused', async () => {
    for (const body of ['[]', 'null', '5', '"text"', '[{"organization":1}]'])
      expectRefused(await caller.post(TOKENS, { body }), 'invalid_json_body', { details: expect.any(String) });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const form = await caller.post(TOKENS, { body: 'organization[id]=x', headers });
    expectRefused(form, 'invalid_json_body', { details: expect.any(String) });
  });

  it('of a GET is nothing to the native dialect, as ever', async () => {
    for (const body of ['{', 'x'.repeat(100)]) expectStatus(await caller.get('/service-accounts', { body }), 200);
  });

  it('is not told back where it holds a secret', async () => {
    const { secret } = await tenant.create({ scopes: [] });
    const answers = [
      await tenant.request({ name: secret }),
      await tenant.request({ name: 'x', scopes: [secret] }),
      await tenant.request({ name: 'x', authorized_ip_addresses: [secret] }),
      await tenant.request({ name: 'x' }, [{ key: secret, value: secret }]),
      await caller.post(TOKENS, { body: `{"organization": ${secret}` }),
      await caller.get(`${TOKENS}?organization[id]=${secret}&page=${secret}`),
      await caller.get(`/core/v1/organizations/${secret}`),
    ];
    for (const { status, text } of answers) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(text).not.toContain(secret);
    }
  });
});

it('answers a URL that cannot be decoded in the dialect', async () => {
  for (const path of ['/core/v1/%zz', `/core/v1/organizations/${'x'.repeat(600)}`, '/core/v1/organizations/%'])
    expectRefused(await caller.get(path), 'route_not_found', {});
});
