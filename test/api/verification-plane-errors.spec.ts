import { once } from 'node:events';
import { connect } from 'node:net';
import { type Answer, Client, exchange, type RequestOptions, sendRaw } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { codeOf, madeUp, platform, Tenant, VERIFYING } from '../support/verification.js';
import type { Problem } from '../support/wire.js';

const BODY_BYTES_MAX = 4_096;

let keyward: Keyward;
let tenant: Tenant;
let verifier: Client;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, BODY_BYTES_MAX: String(BODY_BYTES_MAX), LOG_LEVEL: 'info' } });
  tenant = await Tenant.create(keyward);
  verifier = await tenant.holder('api_tokens:verify');
});
afterAll(() => keyward?.close());

/** The ways by which a request reaches the handler: the bare plane, and twice through Nest. */
const DOORS: readonly (readonly [string, () => Client, string])[] = [
  ['a token, on the plane', () => verifier, ''],
  ['a JWT, through Nest', () => tenant.owner, ''],
  ['a token at the alias, through Nest', () => verifier, '/api'],
];

/** What is told about a bad request at each door; it is the same but for where it was sent. */
async function toldAtEachDoor(path: string, options: RequestOptions): Promise<Answer<Problem>> {
  const answers: Answer<Problem>[] = [];
  for (const [, client, prefix] of DOORS) {
    const headers = { 'x-request-id': 'the-same-for-all', ...options.headers };
    answers.push(await client().post<Problem>(prefix + path, { ...options, headers }));
  }
  const [first] = answers;
  for (const answer of answers) {
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-request-id')).toBe('the-same-for-all');
    expect([answer.status, { ...answer.body, instance: path }]).toEqual([first!.status, first!.body]);
  }
  return first!;
}

const TOKEN = madeUp(1)[0]!;

describe.each([
  ['/tokens/verify', ''],
  ['/tokens/verify-batch', 'tokens[1].'],
])('%s refuses', (path, place) => {
  /** The body in which a question stands. */
  const asking = (question: unknown): unknown =>
    path === '/tokens/verify' ? question : { tokens: [{ token: TOKEN }, question] };

  it.each<[string, unknown, string]>([
    ['a question without a token', {}, 'token'],
    ['a token that is no text', { token: 5 }, 'token'],
    ['no token at all', { token: null }, 'token'],
    ['scopes that are no list', { token: TOKEN, scopes: 'orders:read' }, 'scopes'],
    ['scopes that are no text', { token: TOKEN, scopes: ['orders:read', 5] }, 'scopes'],
    ['more than a hundred scopes', { token: TOKEN, scopes: new Array(101).fill('a') }, 'scopes'],
    ['null for scopes', { token: TOKEN, scopes: null }, 'scopes'],
    ['an address that is none', { token: TOKEN, ipAddress: 'localhost' }, 'ipAddress'],
    ['a range as an address', { token: TOKEN, ipAddress: '192.0.2.0/24' }, 'ipAddress'],
    ['an octal address', { token: TOKEN, ipAddress: '0300.0.2.1' }, 'ipAddress'],
    ['a shortened address', { token: TOKEN, ipAddress: '127.1' }, 'ipAddress'],
    ['an address with a port', { token: TOKEN, ipAddress: '192.0.2.1:80' }, 'ipAddress'],
    ['an empty address', { token: TOKEN, ipAddress: '' }, 'ipAddress'],
    ['an address that is no text', { token: TOKEN, ipAddress: 1 }, 'ipAddress'],
    ['a negative cost', { token: TOKEN, cost: -1 }, 'cost'],
    ['a broken cost', { token: TOKEN, cost: 0.5 }, 'cost'],
    ['a cost without bounds', { token: TOKEN, cost: 1_000_001 }, 'cost'],
    ['a cost that is text', { token: TOKEN, cost: '1' }, 'cost'],
    ['a member that it does not know', { token: TOKEN, ip: '192.0.2.1' }, 'ip'],
  ])('%s with 422 that names the place', async (_, question, member) => {
    const answer = await toldAtEachDoor(path, { body: asking(question) });
    expectInvalid(answer, `body.${place}${member}`);
    expect(answer.text).not.toContain(TOKEN);
  });

  it.each<[string, unknown, string]>([
    ['a list', [], 'body'],
    ['text', '"text"', 'body'],
    ['a number', 5, 'body'],
    ['null', 'null', 'body'],
  ])('%s in the place of an object with 422', async (_, body, location) => {
    expectInvalid(await toldAtEachDoor(path, { body }), location);
  });

  it.each([
    ['what is no JSON', '{"token": kws_'],
    ['JSON that is cut off', '{"token":'],
    ['a member that would change a prototype', `{"token":"x","__proto__":{"scopes":[]}}`],
    ['a member that would change a constructor', `{"token":"x","constructor":{"prototype":{"scopes":[]}}}`],
  ])('%s with 400, and does not repeat it', async (_, body) => {
    const answer = await toldAtEachDoor(path, { body });
    expectProblem(answer, 400, 'request.malformed_json');
    expect(answer.text).not.toContain('kws_');
  });

  it('no body with 400', async () => {
    const headers = { 'content-type': 'application/json' };
    expectProblem(await toldAtEachDoor(path, { headers }), 400, 'request.body_missing');
    expectProblem(await toldAtEachDoor(path, { headers, body: '' }), 400, 'request.body_missing');
    expectProblem(await toldAtEachDoor(path, {}), 400, 'request.body_missing');
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'application/jsonp', 'json'])(
    'a body of the type %s with 415',
    async (type) => {
      const options = { body: JSON.stringify(asking({ token: TOKEN })), headers: { 'content-type': type } };
      expectProblem(await toldAtEachDoor(path, options), 415, 'request.unsupported_media_type');
    },
  );

  it('a body that is too large with 413, however its length is told', async () => {
    const body = JSON.stringify(asking({ token: 'x'.repeat(BODY_BYTES_MAX) }));
    expectProblem(await toldAtEachDoor(path, { body }), 413, 'request.too_large');
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${verifier.token}\r\nContent-Type: application/json\r\n`;
    const answer = await sendRaw(
      keyward.url,
      `${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunked}`,
    );
    expectProblem(answer, 413, 'request.too_large');
  });

  it.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s with 405 that allows POST', async (method) => {
    for (const [, client, prefix] of DOORS) {
      const answer = await client().request(method, prefix + path);
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
      if (method !== 'HEAD') expectProblem(answer, 405, 'route.method_not_allowed');
    }
  });

  it('who may not ask before it looks at what they ask', async () => {
    const reader = await tenant.holder('api_tokens:read');
    for (const body of ['{}', '[]', '{"token":5}']) {
      expectProblem(await new Client(keyward.url).post(path, { body }), 401, 'authentication.required');
      expectProblem(await reader.post(path, { body }), 403, 'access.denied');
    }
  });
});

describe('a question on a bare connection', () => {
  const head = (...more: string[]): string =>
    ['POST /tokens/verify HTTP/1.1', 'Host: x', `Authorization: Bearer ${verifier.token}`, ...more, '', ''].join(
      '\r\n',
    );
  const json = 'Content-Type: application/json';
  const close = 'Connection: close';
  const question = JSON.stringify({ token: TOKEN });
  const sized = `Content-Length: ${question.length}`;
  const whole = (...more: string[]): string => head(json, sized, ...more) + question;
  const NOT_FOUND = { valid: false, code: 'NOT_FOUND' };

  it.each([
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/json;charset=UTF-8',
    'application/json ;a=b',
  ])('may be of the type %s', async (type) => {
    const answer = await sendRaw(keyward.url, head(`Content-Type: ${type}`, sized, close) + question);
    expect([answer.status, answer.body]).toEqual([200, NOT_FOUND]);
  });

  it('may come byte by byte, in the middle of a character', async () => {
    const bytes = Buffer.from(JSON.stringify({ token: 'schlüssel-🗝️' }));
    const chunks = [...bytes].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`).join('');
    const request = Buffer.from(`${head(json, close, 'Transfer-Encoding: chunked')}${chunks}0\r\n\r\n`, 'latin1');
    const answer = await sendRaw(keyward.url, request);
    expect([answer.status, answer.body]).toEqual([200, NOT_FOUND]);
  });

  it('is refused with 413 as soon as its chunks are too many', async () => {
    const chunks = `1\r\n${' '}\r\n`.repeat(BODY_BYTES_MAX + 1);
    expectProblem(
      await sendRaw(keyward.url, `${head(json, 'Transfer-Encoding: chunked')}${chunks}`),
      413,
      'request.too_large',
    );
  });

  it('is answered in turn with others that were sent at once', async () => {
    const answers = await exchange(keyward.url, whole() + whole() + whole(close));
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(answers.match(/"code":"NOT_FOUND"/g)).toHaveLength(3);
  });

  it('is answered after one whose body was not read', async () => {
    const unread = head('Content-Type: text/plain', sized) + question;
    const answers = await exchange(keyward.url, unread + whole(close));
    expect(answers).toMatch(/^HTTP\/1\.1 415 [^]*\{"valid":false,"code":"NOT_FOUND"\}$/);
  });

  it('is told to go on where it asks whether it may', async () => {
    const answer = await sendRaw(keyward.url, whole('Expect: 100-continue', close));
    expect([answer.status, answer.text.endsWith('{"valid":false,"code":"NOT_FOUND"}')]).toEqual([100, true]);
  });

  it('that breaks off in the middle harms nobody', async () => {
    const socket = connect(Number(new URL(keyward.url).port), '127.0.0.1');
    socket.write(whole().slice(0, -5));
    await once(socket, 'connect');
    socket.destroy();
    expect(await codeOf(verifier, TOKEN)).toBe('NOT_FOUND');
  });
});

it.each(['/tokens/verify/', '/tokens/verify/x', '/tokens', '/tokens/verify-batch/'])(
  'finds nothing at %s',
  async (path) => {
    expectProblem(await verifier.post(path, { body: {} }), 404, 'route.not_found');
  },
);

it('answers with a request id of its own where none was sent, or one that cannot be one', async () => {
  for (const sent of [undefined, 'with spaces and "quotes"', 'x'.repeat(129)]) {
    const headers: Record<string, string> = sent === undefined ? {} : { 'x-request-id': sent };
    const answer = await platform(keyward).post('/tokens/verify', { body: { token: TOKEN }, headers });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

it('writes no secret that it was asked about to the log, whatever became of it', async () => {
  const issued = await tenant.issue();
  for (const token of [issued.token, TOKEN]) {
    for (const [, client, prefix] of DOORS) {
      await client().post(`${prefix}/tokens/verify`, { body: { token } });
      await client().post(`${prefix}/tokens/verify`, { body: { token, x: token } });
      await client().post(`${prefix}/tokens/verify?token=${token}`, { body: { token: [token] } });
    }
  }
  expect(keyward.logs.length).toBeGreaterThan(0);
  for (const secret of [issued.token, TOKEN, verifier.token!]) expect(keyward.logs.join('')).not.toContain(secret);
});
