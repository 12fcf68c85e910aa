import fc from 'fast-check';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { madeUp, PLATFORM_TOKEN, platform, Tenant, type Verdict, verify, VERIFYING } from '../support/verification.js';
import { WireConnection } from '../support/wire-connection.js';

let keyward: Keyward;
let tenant: Tenant;
let token: string;

beforeAll(async () => {
  keyward = await startKeyward({ env: { ...VERIFYING, FAILED_VERIFICATIONS_PER_MINUTE: '1000000' } });
  tenant = await Tenant.create(keyward);
  token = (await tenant.issue()).token;
  expect((await verify(platform(keyward), token)).code).toBe('VALID'); // and is in memory from here on
});
afterAll(() => keyward?.close());

const REQUEST_ID = 'x-request-id: the-same-for-all';

interface Question {
  readonly path?: string;
  readonly lines?: readonly string[];
  readonly type?: string;
  readonly body?: string;
  readonly asker?: string;
}

function request({ path = '/tokens/verify', lines = [], type, body, asker = PLATFORM_TOKEN }: Question = {}): string {
  const sent = body ?? JSON.stringify({ token });
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: keyward',
    `Authorization: Bearer ${asker}`,
    `Content-Type: ${type ?? 'application/json'}`,
    REQUEST_ID,
    ...lines,
    `Content-Length: ${sent.length}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${sent}`;
}

const LAST = 'GET /health/live HTTP/1.1\r\nHost: keyward\r\nConnection: close\r\n\r\n';
/** Longer than any answer takes, for requests that never end. */
const PATIENCE_MS = 250;

/** All that is said to pieces that are sent one after the other, and to a last request behind them. */
async function told(pieces: readonly string[], options: { readonly byNode?: boolean } = {}): Promise<string> {
  const connection = await WireConnection.open(keyward.url);
  if (options.byNode) {
    await connection.send('GET /health/live HTTP/1.1\r\nHost: keyward\r\n\r\n');
    await connection.answer(); // from here on the connection is the HTTP server's
  }
  for (const piece of pieces) await connection.send(piece);
  await connection.send(LAST);
  const timer = setTimeout(() => connection.socket.end(), PATIENCE_MS);
  await connection.closed;
  clearTimeout(timer);
  return connection.text
    .replaceAll(/^Date: .*$/gm, 'Date')
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'uuid');
}

/** What is said to a request on a connection of its own, which must be what the HTTP server of Node says to it. */
async function toldAlike(text: string): Promise<string> {
  const answered = await told([text]);
  expect(answered).toBe(await told([text], { byNode: true }));
  return answered;
}

describe('a request is answered to the byte as by the HTTP server of Node, in one piece and in two', () => {
  it.each<[string, () => string, RegExp]>([
    ['a good token', () => request(), /^HTTP\/1\.1 200 OK\r\n[^]*"code":"VALID"/],
    ['a token nobody has', () => request({ body: JSON.stringify({ token: madeUp(1)[0] }) }), /"code":"NOT_FOUND"/],
    [
      'a batch',
      () => request({ path: '/tokens/verify-batch', body: JSON.stringify({ tokens: [{ token }] }) }),
      /VALID/,
    ],
    [
      'an introspection',
      () => request({ path: '/oauth2/introspect', type: 'application/x-www-form-urlencoded', body: `token=${token}` }),
      /"active":true/,
    ],
    ['another charset parameter', () => request({ type: 'application/json; charset=utf-8' }), / 200 OK/],
    ['a body that is not ASCII', () => request({ body: '{"token":"schl\xc3\xbcssel"}' }), / 200 OK/],
    ['an empty body', () => request({ body: '' }), /^HTTP\/1\.1 400 [^]*request\.body_missing/],
    ['no JSON', () => request({ body: '{"token":' }), /^HTTP\/1\.1 400 [^]*request\.malformed_json/],
    ['a broken rule', () => request({ body: '{"token":5}' }), /^HTTP\/1\.1 422 /],
    ['another type', () => request({ type: 'text/plain' }), /^HTTP\/1\.1 415 /],
    ['an asker that nobody knows', () => request({ asker: madeUp(1)[0] }), /^HTTP\/1\.1 401 /],
    ['an asker without a right to ask', () => request({ asker: token }), /^HTTP\/1\.1 403 /],
    ['a JWT, which is for Nest', () => request({ asker: tenant.owner.token }), /^HTTP\/1\.1 200 OK[^]*"code":"VALID"/],
    ['two credentials', () => request({ lines: ['authorization: Bearer x'] }), /^HTTP\/1\.1 401 /],
    ['the wish that the connection be closed', () => request({ lines: ['Connection: close'] }), /Connection: close/],
    ['another path', () => request({ path: '/tokens/verified' }), /^HTTP\/1\.1 404 /],
    ['a query', () => request({ path: '/tokens/verify?a=b' }), /^HTTP\/1\.1 200 /],
    ['a wish to go on', () => request({ lines: ['Expect: 100-continue'] }), /^HTTP\/1\.1 100 Continue/],
  ])('%s', async (_, text, expected) => {
    const answered = await toldAlike(text());
    expect(answered).toMatch(expected);
    const half = text().length / 2;
    expect(await told([text().slice(0, half), text().slice(half)])).toBe(answered);
  });
});

/** Ways to be of two minds about where a request ends, or about what it says. */
const AMBIGUOUS: readonly (readonly [string, (text: string) => string])[] = [
  ['a second, longer length', (text) => insertLine(text, 'Content-Length: 9999')],
  ['a second, equal length', (text) => insertLine(text, /Content-Length: \d+/.exec(text)?.[0] ?? '')],
  ['a transfer encoding beside a length', (text) => insertLine(text, 'Transfer-Encoding: chunked')],
  ['a transfer encoding with a space before the colon', (text) => insertLine(text, 'Transfer-Encoding : chunked')],
  ['a transfer encoding after a bare line feed', (text) => insertLine(text, 'X: y\nTransfer-Encoding: chunked')],
  ['a folded line', (text) => insertLine(text, 'X: y\r\n folded')],
  ['a length with a sign', (text) => text.replace('Content-Length: ', 'Content-Length: +')],
  ['a length in hexadecimal', (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 0x10')],
  ['two lengths in one line', (text) => text.replace(/Content-Length: (\d+)/, 'Content-Length: $1, $1')],
  ['a length that is too short', (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 5')],
  ['a length of nothing', (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 0')],
  ['a length that is too long', (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 120')],
  ['an empty value', (text) => insertLine(text, 'X-Empty:')],
  ['a tab', (text) => insertLine(text, 'X:\ty\t')],
  ['NUL in a value', (text) => insertLine(text, 'X: a\0b')],
  ['a bare carriage return', (text) => insertLine(text, 'X: a\rb')],
  ['bare line feeds throughout', (text) => text.replaceAll('\r\n', '\n')],
  ['an empty line before it', (text) => `\r\n${text}`],
  ['no host', (text) => text.replace('Host: keyward\r\n', '')],
  ['two hosts', (text) => insertLine(text, 'Host: other')],
  ['HTTP/1.0', (text) => text.replace('HTTP/1.1', 'HTTP/1.0')],
  ['HTTP/2', (text) => text.replace('HTTP/1.1', 'HTTP/2.0')],
  ['an upgrade', (text) => insertLine(text, 'Connection: upgrade\r\nUpgrade: h2c')],
  ['an absolute target', (text) => text.replace('POST /', 'POST http://keyward/')],
  ['a second request behind it', (text) => text + text],
  ['half a request behind it', (text) => text + text.slice(0, 60)],
];

function insertLine(text: string, line: string): string {
  return text.replace('Host: keyward\r\n', `Host: keyward\r\n${line}\r\n`);
}

it.each(AMBIGUOUS)('judges a request with %s as the HTTP server of Node does', async (_, change) => {
  await toldAlike(change(request()));
});

it('judges whatever else comes as the HTTP server of Node does', async () => {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.integer({ min: 0, max: 3 }),
    added: fc.oneof(
      fc.constantFrom('\r\n', '\n', '\r', ' ', ':', '\t', '\0', '\x80', 'Content-Length: 3\r\n', '\r\n\r\n', '{', '"'),
      fc.string({ maxLength: 3 }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 2 }), async (edits) => {
      let text = request();
      for (const { at, removed, added } of edits) {
        const place = Math.floor(at * text.length);
        text = text.slice(0, place) + Buffer.from(added).toString('latin1') + text.slice(place + removed);
      }
      await toldAlike(text);
    }),
    { numRuns: 1_000 },
  );
}, 120_000);

describe('on one connection', () => {
  it('answers each request in its turn, whatever the others are', async () => {
    const connection = await WireConnection.open(keyward.url);
    const unknown = request({ body: JSON.stringify({ token: madeUp(1)[0] }) }); // takes a question to the database
    const expected: [string, number][] = [
      [request(), 200],
      [unknown, 200],
      [request({ asker: tenant.owner.token }), 200],
      [request(), 200],
      [request({ body: '{}' }), 422],
      [request(), 200],
      ['GET /tokens/verify HTTP/1.1\r\nHost: keyward\r\n\r\n', 405],
      [request(), 200],
    ];
    for (const [text, status] of expected) {
      await connection.send(text);
      expect((await connection.answer()).status).toBe(status);
    }
    connection.socket.destroy();
  });

  it('judges each request by its own credential, though the heads are of one length', async () => {
    const connection = await WireConnection.open(keyward.url);
    const other = `${PLATFORM_TOKEN.slice(0, -1)}x`;
    for (const [asker, status] of [
      [PLATFORM_TOKEN, 200],
      [PLATFORM_TOKEN, 200],
      [other, 401],
      [PLATFORM_TOKEN, 200],
    ] as const) {
      await connection.send(request({ asker }));
      expect((await connection.answer()).status).toBe(status);
    }
    connection.socket.destroy();
  });

  it('answers what was sent while an earlier request waits for the database', async () => {
    const connection = await WireConnection.open(keyward.url);
    const [first, second] = madeUp(2).map((made) => request({ body: JSON.stringify({ token: made }) }));
    for (const text of [first!, second!, request()]) await connection.send(text);
    const codes = [];
    for (let count = 0; count < 3; count++) codes.push((JSON.parse((await connection.answer()).body) as Verdict).code);
    expect(codes).toEqual(['NOT_FOUND', 'NOT_FOUND', 'VALID']);
    connection.socket.destroy();
  });

  it('sends everything to a client that is slow to read', async () => {
    const connection = await WireConnection.open(keyward.url);
    const body = JSON.stringify({ tokens: Array.from({ length: 700 }, () => ({ token })) });
    const count = 60;
    connection.socket.pause();
    for (let sent = 0; sent < count; sent++) await connection.send(request({ path: '/tokens/verify-batch', body }));
    connection.socket.resume();
    for (let read = 0; read < count; read++) {
      const { results } = JSON.parse((await connection.answer()).body) as { results: Verdict[] };
      expect(results).toHaveLength(700);
    }
    connection.socket.destroy();
  }, 60_000);

  it('ends when the client does', async () => {
    const connection = await WireConnection.open(keyward.url);
    await connection.send(request());
    await connection.answer();
    connection.socket.end();
    await connection.closed;
  });
});

it('counts the failure of an asker once', async () => {
  const env = { ...VERIFYING, FAILED_VERIFICATIONS_PER_MINUTE: '3', UNKNOWN_CACHE_TTL_MS: '0' }; // a second look counts, too
  const strict = await startKeyward({ env });
  try {
    const statuses = [];
    for (const asker of madeUp(5)) {
      const connection = await WireConnection.open(strict.url);
      await connection.send(request({ asker }));
      statuses.push((await connection.answer()).status);
      connection.socket.destroy();
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  } finally {
    await strict.close();
  }
});

it('closes a connection on which nothing is asked for longer than it is kept', async () => {
  const brief = await startKeyward({ env: { ...VERIFYING, KEEP_ALIVE_TIMEOUT_MS: '1000' } });
  try {
    const silent = await WireConnection.open(brief.url);
    const asking = await WireConnection.open(brief.url);
    await asking.send(request());
    expect((await asking.answer()).lines).toContain('Keep-Alive: timeout=1');
    await Promise.all([silent.closed, asking.closed]);
  } finally {
    await brief.close();
  }
});
