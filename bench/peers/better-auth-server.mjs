// @better-auth/api-key (https://www.better-auth.com) behind a bare HTTP server: on PostgreSQL where DATABASE_URL is set, else in memory, where
// its keys are in a Map by way of its secondary storage. Its own rate limit is off, because by default a key is good for ten requests a day.
import { createServer } from 'node:http';
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';

const KEYS = 1_000;
const { DATABASE_URL } = process.env;

function inMemory() {
  const stored = new Map();
  return {
    database: memoryAdapter({ user: [], session: [], account: [], verification: [], apikey: [] }),
    secondaryStorage: {
      get: (key) => stored.get(key) ?? null,
      set: (key, value) => void stored.set(key, value),
      delete: (key) => void stored.delete(key),
    },
  };
}

const keyOptions = { rateLimit: { enabled: false }, ...(DATABASE_URL ? {} : { storage: 'secondary-storage' }) };
const options = {
  ...(DATABASE_URL ? { database: new pg.Pool({ connectionString: DATABASE_URL, max: 10 }) } : inMemory()),
  secret: 'a-secret-of-the-benchmark-of-sufficient-length',
  baseURL: 'http://127.0.0.1',
  telemetry: { enabled: false },
  logger: { level: 'error' },
  rateLimit: { enabled: false },
  emailAndPassword: { enabled: true },
  plugins: [apiKey(keyOptions)],
};
if (DATABASE_URL) await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const { user } = await auth.api.signUpEmail({
  body: { name: 'Benchmark', email: 'benchmark@example.com', password: 'a password of the benchmark' },
});
const keys = [];
for (let number = 0; number < KEYS; number++) {
  const { key } = await auth.api.createApiKey({ body: { name: `key ${number}`, userId: user.id } });
  keys.push(key);
}

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (body += chunk));
  request.on('end', async () => {
    const verdict = await auth.api.verifyApiKey({ body: { key: JSON.parse(body).token } });
    const answer = JSON.stringify(verdict);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
    response.end(answer);
  });
});
server.listen(0, '127.0.0.1', () => {
  const headers = { 'content-type': 'application/json' };
  const requests = keys.map((token) => ({ method: 'POST', path: '/', headers, body: JSON.stringify({ token }) }));
  process.send({ port: server.address().port, requests });
});
process.on('disconnect', () => process.exit(0));
