import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  createCluster,
  type Directories,
  hasCluster,
  isClusterHeld,
  isPostmaster,
  openDirectories,
  openSocketDirectory,
  ownerOf,
  readPostmasterLock,
  removeUnfinished,
  SOCKET_PORT,
  socketDirectoryOf,
} from './embedded-postgres-directories.js';
import { embeddedPostgresError, initdb, launch, requestStop, SUPERUSER } from './embedded-postgres-process.js';
import type { ServerProcess } from './embedded-postgres-process.js';

/** More than the minute within which a server notices that its files were deleted and makes way. */
const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 10;
const LAUNCHES_MAX = 3;
/** How long sessions that this process has just closed may take to disappear from the server. */
const SESSIONS_GONE_TIMEOUT_MS = 1_000;
/** Advisory lock in the database `postgres`: each user of the server holds it shared, who stops it exclusively. */
const USERS_LOCK = 0x75736572;

export interface EmbeddedPostgresOptions {
  /** Everything is kept in here; made (0700) if missing. */
  readonly dataDirectory: string;
  /** Server parameters, such as `{ fsync: 'off' }`. A server that runs already keeps those it was started with. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Made if missing. `keyward` by default. */
  readonly database?: string;
}

/** What `pg` connects with: the socket's directory as host, port, user, database (on Windows a password too). */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password?: string;
}

export interface EmbeddedPostgresServer extends Address {
  /**
   * Stops the server ("fast": open transactions are rolled back), unless somebody else uses it: another process that
   * started it or took it over and has not stopped it yet, or any other session that is still open after a second.
   * Then it is left running for the last of them to stop. Idempotent. This process closes its own sessions first.
   */
  stop(): Promise<void>;
}

/**
 * A PostgreSQL server of this directory's own, ready for queries when the promise resolves.
 *
 * Any number of processes may ask for it at once: one sets it up and starts it, the others share it. A server that a
 * killed process left running is taken over, and one that was itself killed is started anew with every acknowledged
 * row. Only who can enter the directory reaches it: it listens on a socket in there and on no network. Until `stop`
 * each caller holds one session, so that nobody stops the server under it; that session keeps no process alive.
 *
 * @throws with the end of its log when it does not come up; when this platform has no binaries.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgresServer> {
  const { settings = {}, database = 'keyward' } = options;
  const directories = await openDirectories(options.dataDirectory);
  if (!hasCluster(directories)) {
    await createCluster(directories, (path) => initdb(directories, path, settings.fsync !== 'off'));
  }
  await removeUnfinished(directories);
  const address = await addressOf(directories, database);
  const session = await joinOrLaunch(directories, address, settings);
  let stopped: Promise<void> | undefined;
  return {
    ...(await currentAddress(directories, address)),
    stop: () => (stopped ??= leave(directories, address, session)),
  };
}

async function addressOf(directories: Directories, database: string): Promise<Address> {
  if (process.platform === 'win32') {
    const password = await readFile(directories.passwordFile, 'utf8');
    return { host: '127.0.0.1', port: 0, user: SUPERUSER, database, password };
  }
  const host = await socketDirectoryOf(directories);
  await openSocketDirectory(host, await ownerOf(directories));
  return { host, port: SOCKET_PORT, user: SUPERUSER, database };
}

/** On Windows each start of the server takes another port, which only its lock file knows. */
async function currentAddress(directories: Directories, address: Address): Promise<Address> {
  if (process.platform !== 'win32') return address;
  return { ...address, port: (await readPostmasterLock(directories))?.port || 1 };
}

/**
 * Takes whatever server answers, and starts one when none does. PostgreSQL's own lock decides who starts it; who loses
 * that race finds the winner's server on the next round.
 */
async function joinOrLaunch(
  directories: Directories,
  address: Address,
  settings: Readonly<Record<string, string>>,
): Promise<Session> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let launched: ServerProcess | undefined;
  let launches = 0;
  for (;;) {
    const { session, problem } = await join(await currentAddress(directories, address));
    if (session) return session;
    if (Date.now() > deadline) {
      const sentence = `The embedded PostgreSQL is not ready after ${START_TIMEOUT_MS / 1000} s (${problem.message}).`;
      throw await embeddedPostgresError(sentence, directories);
    }
    const isStarting = launched !== undefined && launched.ended() === undefined;
    if (isAbsence(problem) && !isStarting && !(await isClusterHeld(directories, address.host))) {
      if (launches >= LAUNCHES_MAX && !(await isOutlivedByItsChildren(launched))) {
        const sentence = `The embedded PostgreSQL does not start: it ${launched?.ended()}.`;
        throw await embeddedPostgresError(sentence, directories);
      }
      launched = await launch(directories, address.host, settings);
      launches += 1;
    }
    await delay(POLL_INTERVAL_MS * Math.max(1, launches));
  }
}

/** The children of a killed server finish what they are at before they notice; until then none may take its place. */
async function isOutlivedByItsChildren(launched: ServerProcess | undefined): Promise<boolean> {
  return launched !== undefined && /shared memory block .* is still in use/.test(await launched.output());
}

/** Nobody listens. Everything else (starting up, shutting down, too many sessions) is a server that is alive. */
function isAbsence(problem: { code?: string }): boolean {
  return problem.code === 'ENOENT' || problem.code === 'ECONNREFUSED';
}

/** Whether waiting is no cure. It is one for the SQLSTATE classes of a server that is short of something, or going. */
function isHopeless(problem: { code?: string }): boolean {
  if (problem instanceof pg.DatabaseError) return !/^(08|53|55|57|58)/.test(problem.code ?? '');
  return problem.code === 'EACCES';
}

/** `pg` has these two methods, its type declarations have not. */
type Session = pg.Client & { ref(): void; unref(): void };
type Joined = { session: Session; problem?: undefined } | { session?: undefined; problem: Error & { code?: string } };

/** The session that marks this process as a user of the server, with the database made. */
async function join(address: Address): Promise<Joined> {
  // In `postgres`, because a session in the application's database would stand in the way of dropping or copying it.
  const session = new pg.Client({
    ...address,
    database: 'postgres',
    // All that `pg` would otherwise take from PG… variables of the environment.
    ssl: false,
    options: '-c client_min_messages=warning',
    application_name: 'keyward embedded',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  }) as Session;
  // The server may be killed at any time; what that means is for those to say who need it.
  session.on('error', () => undefined);
  try {
    await session.connect();
    await session.query('SELECT pg_advisory_lock_shared($1)', [USERS_LOCK]);
    // Fails on a server that goes on without its files, because somebody deleted them to begin afresh.
    await session.query(`SELECT pg_stat_file('PG_VERSION')`);
    await ensureDatabase(session, address.database);
    session.unref();
    return { session };
  } catch (error) {
    void session.end().catch(() => undefined);
    if (isHopeless(error as { code?: string })) throw error;
    return { problem: error as Error };
  }
}

async function ensureDatabase(session: Session, name: string): Promise<void> {
  const { rowCount } = await session.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  if (rowCount !== 0) return;
  await session.query(`CREATE DATABASE ${session.escapeIdentifier(name)}`).catch((error: { code?: string }) => {
    // duplicate_database, or unique_violation of its name: another process made it at the same moment.
    if (error.code !== '42P04' && error.code !== '23505') throw error;
  });
}

async function leave(directories: Directories, address: Address, held: Session): Promise<void> {
  held.ref();
  // The session may have been lost to pg_terminate_backend or a crash. When no server answers, there is none to stop.
  const isHeld = await held.query('SELECT 1').then(
    () => true,
    () => false,
  );
  const session = isHeld ? held : (await join(await currentAddress(directories, address))).session;
  if (!session) return;
  session.ref();
  try {
    if (!(await isLastUser(session))) return;
    const lock = await readPostmasterLock(directories);
    // A server that runs in another container has a number that means something else here.
    if (!lock || !(await isPostmaster(lock.pid, lock.cluster))) return;
    await requestStop(lock.pid, directories);
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (await isPostmaster(lock.pid, lock.cluster)) {
      if (Date.now() > deadline) {
        const sentence = `The embedded PostgreSQL (process ${lock.pid}) does not stop.`;
        throw await embeddedPostgresError(sentence, directories);
      }
      await delay(POLL_INTERVAL_MS);
    }
  } finally {
    await Promise.race([session.end().catch(() => undefined), delay(CONNECT_TIMEOUT_MS, undefined, { ref: false })]);
  }
}

/**
 * Whether nobody else uses the server. Of several that leave at once exactly one is told so; from then on it holds the
 * lock, and newcomers wait for it: they find either the server left running, or none and start it anew.
 */
async function isLastUser(session: Session): Promise<boolean> {
  try {
    await session.query('SELECT pg_advisory_unlock_shared($1)', [USERS_LOCK]);
    const { rows } = await session.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      USERS_LOCK,
    ]);
    if (!rows[0]?.locked) return false;
    const deadline = Date.now() + SESSIONS_GONE_TIMEOUT_MS;
    for (;;) {
      const others = await session.query(
        `SELECT count(*)::int AS total, count(*) FILTER (WHERE wait_event = 'advisory')::int AS waiting
         FROM pg_stat_activity
         WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()`,
      );
      const { total, waiting } = others.rows[0] as { total: number; waiting: number };
      if (total === 0) return true;
      if (waiting > 0 || Date.now() > deadline) return false;
      await delay(POLL_INTERVAL_MS);
    }
  } catch {
    // The session is gone: somebody killed the server, or stopped it by other means.
    return false;
  }
}
