// Ends with 0 when the PostgreSQL (14 or newer) or the Redis of a URL answers within 3 s. Prints what it found, never the URL, which may hold a password.
import { connect } from 'node:net';
import pg from 'pg';

const ANSWER_MS_MAX = 3_000;
const url = process.argv[2] ?? '';

async function askPostgres() {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      "select current_setting('server_version_num')::int as number, current_setting('server_version') as name",
    );
    if (rows[0].number < 140_000) throw new Error(`it is ${rows[0].name}, 14 or newer is needed`);
    return `PostgreSQL ${rows[0].name}`;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function askRedis() {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port || 6379), hostname || '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error('it does not answer')));
    socket.on('error', reject);
    socket.on('data', (data) => {
      socket.destroy();
      // One that wants a password is there as well; its URL holds it.
      if (/^(\+PONG|-NOAUTH)/.test(data.toString())) resolve('Redis');
      else reject(new Error('it is no Redis'));
    });
  });
}

try {
  console.log(`${await (/^rediss?:/.test(url) ? askRedis() : askPostgres())} answers`);
} catch (error) {
  console.log(`no answer: ${error.code ?? error.message}`);
  process.exitCode = 1;
}
