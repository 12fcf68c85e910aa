// Everything that the benchmark runs, and its end: whatever happens, only what was started here is ended, and nothing stays behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { onCore, OTHER_CORE, SERVER_CORE } from './machine.mjs';
import { ASKER_SECRET, PEPPER_SETTING } from './secrets.mjs';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const BENCH = import.meta.dirname;
const ROOT = resolve(BENCH, '..');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** With which `npm start` runs the service, and with which whatever is measured beside it runs. */
const NODE_FLAGS = scripts.start.split(' ').filter((word) => word.startsWith('--'));

/**
 * The settings of the service: those of production and their defaults, but for the limit on management calls, which
 * would end the measurement of lists and creations after a second.
 */
const SETTINGS = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  TOKEN_PEPPERS: PEPPER_SETTING,
  AUTH_JWT_SECRET: 'only that production mode starts; no JWT is sent',
  INIT_PLATFORM_TOKENS: ASKER_SECRET,
  RATE_LIMIT_PER_MINUTE: '1000000',
};

export class Stack {
  #directory = mkdtempSync(join(tmpdir(), 'keyward-bench-'));
  #children = new Set();
  #postgres;
  #starting;
  #clients = [];
  #closing;

  /** Starts the embedded PostgreSQL, with what it takes to count statements. */
  async startPostgres() {
    const { startEmbeddedPostgres } = await import(join(ROOT, 'dist/src/database/embedded-postgres.js'));
    const dataDirectory = join(this.#directory, 'data');
    const settings = { shared_preload_libraries: 'pg_stat_statements', max_connections: '100', shared_buffers: '1GB' };
    this.#starting = startEmbeddedPostgres({ dataDirectory, settings, database: 'bench' });
    this.#postgres = await this.#starting;
    const [pid] = readFileSync(join(dataDirectory, 'postgres/postmaster.pid'), 'utf8').split('\n');
    this.postgresPid = Number(pid);
    return this.postgresPid;
  }

  /** A session of the benchmark's own in one of the databases. */
  async connect(database) {
    const { host, port, user } = this.#postgres;
    const client = new pg.Client({
      host,
      port,
      user,
      database,
      password: '',
      ssl: false,
      application_name: 'keyward bench',
    });
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  async createDatabase(name) {
    const client = await this.connect('postgres');
    await client.query(`create database ${client.escapeIdentifier(name)}`);
    await client.end();
  }

  urlOf(database) {
    const { host, port, user } = this.#postgres;
    return `postgres://${user}@${encodeURIComponent(host)}:${port}/${database}`;
  }

  /**
   * Starts the service over a database and waits until it is ready.
   * @param {{ core?: number | 'any', nodeArguments?: string[], settings?: Record<string, string>, root?: string }} options
   */
  async startKeyward(database, { core = SERVER_CORE, nodeArguments = [], settings = {}, root = ROOT } = {}) {
    const port = await freePort();
    const main = join(root, 'dist/src/main.js');
    const environment = { ...SETTINGS, PORT: String(port), DATABASE_URL: this.urlOf(database), ...settings };
    const child = this.#spawn(`keyward-${port}`, core, [...NODE_FLAGS, ...nodeArguments, main], environment);
    const ready = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
      return answer?.ok ?? false;
    };
    await this.#wait(child, ready, 'the service');
    return { port, pid: child.pid, child };
  }

  /** Starts a server that tells its port by a message, and whatever else is to be known: the floor, or a peer. */
  async startServer(script, { core = SERVER_CORE, environment = {} } = {}) {
    const child = this.#spawn(
      script.replaceAll(/\W/g, '-'),
      core,
      [...NODE_FLAGS, resolve(BENCH, script)],
      environment,
    );
    let told;
    child.once('message', (message) => (told = message));
    await this.#wait(child, async () => told !== undefined, script);
    return { ...told, pid: child.pid, child };
  }

  startLoad(core = OTHER_CORE) {
    return new LoadGenerator(this.#spawn('load', core, [join(BENCH, 'load.mjs')], {}));
  }

  async stop({ child }) {
    await end(child);
  }

  /** Ends whatever is left, in the order in which they need each other, and removes the files. Whoever calls it again waits for the same end. */
  close() {
    return (this.#closing ??= this.#closeAll());
  }

  async #closeAll() {
    try {
      await Promise.all([...this.#children].map(end));
      await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)));
      await (await this.#starting)?.stop();
    } finally {
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  /** Nothing of the environment of whoever runs the benchmark reaches the processes: no DATABASE_URL, no NODE_OPTIONS. */
  #spawn(name, core, nodeArguments, environment) {
    if (this.#closing) throw new Error('The benchmark is ending.');
    const { command, args } = onCore(core, process.execPath, nodeArguments);
    const log = createWriteStream(join(this.#directory, `${name}-${Date.now()}.log`));
    const child = spawn(command, args, {
      cwd: this.#directory, // where no .env is found
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.lastWords = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => (child.lastWords = (child.lastWords + chunk).slice(-4_000)));
      stream.pipe(log, { end: false });
    }
    return child;
  }

  async #wait(child, isReady, what) {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await isReady())) {
      const isGone = child.exitCode !== null || child.signalCode !== null;
      if (isGone || Date.now() > deadline) throw new Error(`${what} does not start:\n${child.lastWords}`);
      await delay(50);
    }
  }
}

/** Runs one job at a time. */
class LoadGenerator {
  #ended;

  constructor(child) {
    this.child = child;
    child.setMaxListeners(20);
    this.#ended = once(child, 'exit').then(() => {
      throw new Error(`The load generator ended:\n${child.lastWords}`);
    });
    this.#ended.catch(() => undefined);
  }

  async run(job) {
    const answered = once(this.child, 'message');
    this.child.send(job);
    const [{ result, problem }] = await Promise.race([answered, this.#ended]);
    if (problem) throw new Error(`The load generator failed: ${problem}`);
    return result;
  }

  /** Ends the job early. */
  stopJob() {
    this.child.send('stop');
  }
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
