import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Config } from '../../src/config/config.js';
import { RateLimiter } from '../../src/rate-limit/rate-limiter.service.js';
import { createAccount, issueToken, type Person, signInOwner } from '../support/callers.js';
import { createDatabase, dropDatabase, TEST_ENVIRONMENT } from '../support/databases.js';
import type { Answer, Client } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

const hasServer = spawnSync('redis-server', ['--version']).status === 0;
if (!hasServer) {
  process.stderr.write('Skipped: the rate limits over Redis. Install redis-server to have them tested.\n');
}
const describeWithRedis = hasServer ? describe : describe.skip;

/** Generous, so that a busy machine is not taken for a fault. */
const TIMEOUT_MS = 1_000;
/** No good token may be refused, nor counted apart, for longer than the outage and this. */
const HEALED_WITHIN_MS = 2_000;
const LIMIT = 6;

/** A Redis of our own that can be killed, stopped and brought back on the same port. */
class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(readonly port: number) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  static async reservePort(): Promise<RedisServer> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    return new RedisServer(port);
  }

  static async start(): Promise<RedisServer> {
    const server = await RedisServer.reservePort();
    await server.start();
    return server;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const options = { port: this.port, bind: '127.0.0.1', dir: tmpdir(), save: '', appendonly: 'no' };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.child = spawn('redis-server', flags, { stdio: 'ignore' });
    await eventually(10_000, () => this.answers());
  }

  async kill(): Promise<void> {
    if (this.child === undefined) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    this.child = undefined;
  }

  /** It keeps its port and its connections and says nothing, as behind a network that drops everything. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  private answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.setTimeout(1_000, () => socket.destroy());
      socket.once('data', (bytes) => {
        resolve(bytes.toString().startsWith('+PONG'));
        socket.destroy();
      });
      socket.on('error', () => undefined).on('close', () => resolve(false));
    });
  }
}

/** Stands between, like a network: it can drop what the connections under way send, without ever closing them. */
async function startNetwork(port: number): Promise<{ url: string; dropAll(): void; close(): void }> {
  const ends: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      ends.push(from);
      from.pipe(to);
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    dropAll: () => ends.splice(0).forEach((end) => end.unpipe().resume()),
    close: () => {
      server.close();
      ends.splice(0).forEach((end) => end.destroy());
    },
  };
}

/** Waits until something holds. @returns how long that took, in milliseconds */
async function eventually(withinMs: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > withinMs) throw new Error(`It did not come about within ${withinMs} ms.`);
    await delay(20);
  }
  return performance.now() - startedAt;
}

const settings = (redisUrl: string): Record<string, string> => ({
  REDIS_URL: redisUrl,
  REDIS_TIMEOUT_MS: String(TIMEOUT_MS),
  RATE_LIMIT_PER_MINUTE: '100000',
  LOG_LEVEL: 'info',
});
const read = (client: Client): Promise<Answer> => client.get('/service-accounts?limit=1');
const remaining = (answer: Answer): number => Number(/;r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);

/** A client with a new token of a new organization whose limit is LIMIT. */
async function limitedHolder(owner: Person): Promise<Client> {
  const account = await createAccount(owner);
  const { token } = await issueToken(owner, account.slug, { scopes: ['service_accounts:read'], rateLimit: LIMIT });
  return owner.holding(token);
}

/** Two instances over one database, and a limited client of each with the same token. */
async function withTwoInstances(redisUrl: string, run: (clients: [Client, Client]) => Promise<void>): Promise<void> {
  const databaseUrl = await createDatabase();
  const instances: Keyward[] = [];
  try {
    for (let count = 0; count < 2; count++)
      instances.push(await startKeyward({ databaseUrl, env: settings(redisUrl) }));
    const [one, other] = instances as [Keyward, Keyward];
    const client = await limitedHolder(await signInOwner(one));
    await run([client, new (client.constructor as typeof Client)(other.url, client.token)]);
  } finally {
    for (const instance of instances) await instance.close();
    await dropDatabase(databaseUrl);
  }
}

it('without Redis, each instance counts by itself', () =>
  withTwoInstances('', async ([one, other]) => {
    for (let count = 0; count < LIMIT; count++) {
      expect([(await read(one)).status, (await read(other)).status]).toEqual([200, 200]);
    }
    expect([(await read(one)).status, (await read(other)).status]).toEqual([429, 429]);
  }));

describeWithRedis('over one Redis', () => {
  let redis: RedisServer;
  let operator: Redis;
  beforeAll(async () => {
    redis = await RedisServer.start();
    operator = new Redis(redis.url);
  });
  afterAll(async () => {
    operator?.disconnect();
    await redis?.kill();
  });

  it('two instances share the counters, exactly, and write nothing secret there', () =>
    withTwoInstances(redis.url, async (clients) => {
      const answers = await Promise.all(Array.from({ length: 4 * LIMIT }, (_, index) => read(clients[index % 2]!)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(LIMIT);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(3 * LIMIT);

      const keys = await operator.keys('*');
      expect(keys).not.toHaveLength(0);
      for (const key of keys) {
        expect(key).toMatch(
          /^keyward:(credential:[0-9a-f-]{36}|user:[0-9a-f-]{36}:[0-9a-f-]{36}|address:[0-9a-f.:/]+)$/,
        );
        expect(await operator.pttl(key)).toBeGreaterThan(0);
      }
    }));

  it('an instance that stopped leaves no connection behind', async () => {
    const connections = async (): Promise<number> =>
      String(await operator.client('LIST')).split('name=keyward').length - 1;
    const keyward = await startKeyward({ env: settings(redis.url) });
    expect(await connections()).toBe(1);
    await keyward.close();
    await eventually(HEALED_WITHIN_MS, async () => (await connections()) === 0);
  });
});

describeWithRedis('when Redis fails', () => {
  let redis: RedisServer;
  let keyward: Keyward;
  let owner: Person;
  /** Counts beside the instance, and tells what an instance reports of itself. */
  let limiter: RateLimiter;
  beforeEach(async () => {
    redis = await RedisServer.start();
    keyward = await startKeyward({ env: settings(redis.url) });
    owner = await signInOwner(keyward);
    limiter = new RateLimiter(Config.load({ ...TEST_ENVIRONMENT, ...settings(redis.url) }));
    await limiter.onModuleInit();
    expect(limiter.state()).toMatchObject({ backend: 'redis', isDegraded: false });
  });
  afterEach(async () => {
    limiter?.onApplicationShutdown();
    await keyward?.close();
    redis?.thaw();
    await redis?.kill();
  });

  it('by going away, requests are answered at once and limited in memory; it heals by itself', async () => {
    const client = await limitedHolder(owner);
    expect(remaining(await read(client))).toBe(LIMIT - 1);
    await redis.kill();

    for (let left = LIMIT - 1; left >= 0; left--) {
      const answer = await read(client);
      expect([answer.status, remaining(answer)]).toEqual([200, left]);
    }
    expect((await read(client)).status).toBe(429);
    await limiter.consume('probe', 1);
    expect(limiter.state()).toMatchObject({ backend: 'redis', isDegraded: true });
    const lines = keyward.logs.filter((line) => line.includes('cannot be reached'));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(2); // the instance's and the limiter's: one each, however many requests

    await redis.start();
    await eventually(HEALED_WITHIN_MS, () => !limiter.state().isDegraded);
    // The new Redis knows of nothing: what is left tells who counts.
    await eventually(HEALED_WITHIN_MS, async () => remaining(await read(client)) === LIMIT - 1);
  });

  it('by falling silent, one request a second waits for it at most, and it heals by itself', async () => {
    const client = await limitedHolder(owner);
    await read(client);
    redis.freeze();
    const startedAt = performance.now();
    for (let count = 0; count < 20; count++) expect((await read(owner)).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(6 * TIMEOUT_MS); // twenty would be the time of each waiting

    await limiter.consume('probe', 1);
    expect(limiter.state().isDegraded).toBe(true);
    redis.thaw();
    await eventually(HEALED_WITHIN_MS, () => !limiter.state().isDegraded);
    await eventually(HEALED_WITHIN_MS, async () => remaining(await read(client)) <= LIMIT - 2);
  });

  it('by a network that drops a connection silently, another one is made', async () => {
    const network = await startNetwork(redis.port);
    const distant = new RateLimiter(Config.load({ ...TEST_ENVIRONMENT, ...settings(network.url) }));
    try {
      await distant.onModuleInit();
      expect((await distant.consume('key', 100)).remaining).toBe(99);
      network.dropAll();
      expect((await distant.consume('key', 100)).remaining).toBe(99);
      expect(distant.state().isDegraded).toBe(true);
      await eventually(HEALED_WITHIN_MS, () => !distant.state().isDegraded);
      expect((await distant.consume('key', 100)).remaining).toBe(98);
    } finally {
      distant.onApplicationShutdown();
      network.close();
    }
  });

  it('by falling silent, it keeps no process from stopping', async () => {
    const other = await startKeyward({ env: settings(redis.url) });
    redis.freeze();
    const startedAt = performance.now();
    await other.close();
    expect(performance.now() - startedAt).toBeLessThan(5 * TIMEOUT_MS);
  });
});

describeWithRedis('where Redis is away from the beginning', () => {
  it('an instance starts, counts in memory, and goes over to Redis when it comes', async () => {
    const redis = await RedisServer.reservePort();
    const keyward = await startKeyward({ env: settings(redis.url) });
    try {
      const client = await limitedHolder(await signInOwner(keyward));
      expect(remaining(await read(client))).toBe(LIMIT - 1);
      expect(remaining(await read(client))).toBe(LIMIT - 2);
      expect(keyward.logs.join('')).toContain('cannot be reached');
      await redis.start();
      await eventually(HEALED_WITHIN_MS, () => keyward.logs.join('').includes('are back'));
      expect(remaining(await read(client))).toBe(LIMIT - 1);
    } finally {
      await keyward.close();
      await redis.kill();
    }
  });
});
