import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Only names the socket: nothing listens on the network, so it cannot collide with another server's port. */
export const SOCKET_PORT = 5432;
const SOCKET_NAME = `.s.PGSQL.${SOCKET_PORT}`;
/** `sockaddr_un.sun_path` less its terminating zero. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;
const UNFINISHED_PREFIX = 'postgres.new-';
/** A lock file is written as soon as it is made; one still empty after this long is what a power cut left. */
const EMPTY_LOCK_FILE_STALE_AFTER_MS = 5_000;

export interface Directories {
  readonly root: string;
  readonly cluster: string;
  readonly logFile: string;
  readonly passwordFile: string;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Makes the data directory (0700) if it is missing. When root makes it, it belongs to the owner of the directory it
 * is in, as with npm: `sudo npm start` in somebody's checkout must not leave them files that they cannot touch.
 * It appears with its final owner, by a rename, so that processes starting together agree on whom to run as.
 */
export async function openDirectories(dataDirectory: string): Promise<Directories> {
  const path = resolve(dataDirectory);
  if (!existsSync(path)) {
    const parent = dirname(path);
    await mkdir(parent, { recursive: true });
    const made = await mkdtemp(`${path}.new-`);
    // Fails where the parent's owner does not exist here (a user namespace's bind mount): it then stays root's.
    if (isRoot()) await giveTo(made, await stat(parent)).catch(() => undefined);
    await rename(made, path).catch(async (error: NodeJS.ErrnoException) => {
      await rm(made, { recursive: true, force: true });
      if (!existsSync(path)) throw error;
    });
  }
  const root = await realpath(path);
  return {
    root,
    cluster: join(root, 'postgres'),
    logFile: join(root, 'postgres.log'),
    passwordFile: join(root, 'postgres.password'),
  };
}

/** Whom the files belong to, and so whom the server has to run as. */
export async function ownerOf({ root, cluster }: Directories): Promise<Owner> {
  const { uid, gid } = await stat(hasCluster({ cluster }) ? cluster : root);
  return { uid, gid };
}

export async function giveTo(path: string, owner: Owner): Promise<void> {
  if (isRoot() && owner.uid !== 0) await chown(path, owner.uid, owner.gid);
}

/** Makes what Windows needs in place of the private socket. Returns its path. */
export async function ensurePasswordFile({ passwordFile }: Directories): Promise<string> {
  const password = randomBytes(24).toString('base64url');
  await writeFile(passwordFile, password, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return passwordFile;
}

/** A cluster appears whole, by a rename, so that one file's presence speaks for all. */
export function hasCluster({ cluster }: Pick<Directories, 'cluster'>): boolean {
  return existsSync(join(cluster, 'PG_VERSION'));
}

/**
 * Runs `build` on an empty private directory and renames it to be the cluster. Of several processes one wins and the
 * others throw their work away; a crash half-way leaves only a directory that {@link removeUnfinished} sweeps up.
 */
export async function createCluster(directories: Directories, build: (path: string) => Promise<void>): Promise<void> {
  const found = await readdir(directories.cluster).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (found.length > 0 && !hasCluster(directories)) {
    throw new Error(`${directories.cluster} is in the way: it holds something else than a PostgreSQL database.`);
  }
  const unfinished = await mkdtemp(join(directories.root, UNFINISHED_PREFIX));
  try {
    await build(unfinished);
    await rename(unfinished, directories.cluster);
    // The rename itself has to survive a power cut, or acknowledged rows would go with it.
    if (process.platform !== 'win32') await sync(directories.root);
  } catch (error) {
    // Another process won, and may already have swept this one's directory away from under it.
    if (!hasCluster(directories)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

/** Once there is a cluster, any other beginning of one is rubbish: of a process that crashed, or of one that lost. */
export async function removeUnfinished({ root }: Directories): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(UNFINISHED_PREFIX));
  const remove = (name: string) => rm(join(root, name), { recursive: true, force: true, maxRetries: 3 });
  await Promise.allSettled(names.map(remove));
}

/**
 * Where the socket goes: beside the cluster, or under /tmp when that path is too long for a socket. The name there
 * follows from the path and the cluster's own identifier, so every process finds it (whatever its TMPDIR), a copy of
 * the directory gets another, and nobody without access to the cluster can guess it.
 */
export async function socketDirectoryOf({ root, cluster }: Directories): Promise<string> {
  const beside = join(root, 'run');
  if (Buffer.byteLength(join(beside, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX) return beside;
  const control = await readFile(join(cluster, 'global', 'pg_control'));
  // pg_control begins with the 64-bit system identifier that initdb made.
  const digest = createHash('sha256').update(root).update('\0').update(control.subarray(0, 8)).digest('hex');
  return `/tmp/keyward-${digest.slice(0, 24)}`;
}

/**
 * Guarantees a real directory that only the server's owner can enter: the server trusts whoever reaches its socket,
 * and whoever could put a socket there could pose as the server.
 */
export async function openSocketDirectory(path: string, owner: Owner): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(path);
  if (!found.isDirectory() || (found.uid !== owner.uid && found.uid !== 0)) {
    throw new Error(`${path} is in the way: it is not a directory of the user who owns the database. Remove it.`);
  }
  if (found.uid !== owner.uid) await giveTo(path, owner);
  if ((found.mode & 0o077) !== 0) await chmod(path, 0o700);
}

export interface LockFile {
  readonly pid: number;
  /** As the server knew it when it started; the directory may have been moved since. */
  readonly cluster: string;
  readonly port: number;
}

/** What `postmaster.pid` says; undefined when there is none, or none with a process in it. */
export async function readPostmasterLock({ cluster }: Directories): Promise<LockFile | undefined> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  return pid > 0 ? { pid, cluster: lines[1] ?? '', port: Number(lines[3]) } : undefined;
}

/**
 * Whether a live server holds the cluster or is about to. Lock files that no server stands behind are moved out of
 * the way: after a reboot or in a restarted container their process number often belongs to something else, which
 * PostgreSQL takes for a running server and refuses to start. (Of a number that is free it thinks so itself.)
 */
export async function isClusterHeld(directories: Directories, socketDirectory: string): Promise<boolean> {
  const files = [join(directories.cluster, 'postmaster.pid'), join(socketDirectory, `${SOCKET_NAME}.lock`)];
  for (const file of files) {
    const content = await readFile(file, 'utf8').catch(() => undefined);
    if (content === undefined) continue;
    if (await isHolderAlive(file, content, directories.cluster)) return true;
    await removeStaleLock(file, content);
  }
  return false;
}

async function isHolderAlive(file: string, content: string, cluster: string): Promise<boolean> {
  if (content.trim() !== '') return isPostmaster(Number.parseInt(content, 10), cluster);
  const age = Date.now() - (await stat(file).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
  return age < EMPTY_LOCK_FILE_STALE_AFTER_MS;
}

/** Whether that process is the server of that cluster, and not something else that got its number since. */
export async function isPostmaster(pid: number, cluster: string): Promise<boolean> {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Windows tells the command line of a process to no simple question; there the number has to do.
  if (process.platform === 'win32') return true;
  const commandLine = (await commandLineOf(pid).catch(() => '')).trim();
  return commandLine.includes('postgres') && `${commandLine} `.includes(` -D ${cluster} `);
}

/** Empty for a zombie, which a container without an init process keeps for ever. */
async function commandLineOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  return (await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { timeout: 5_000 })).stdout;
}

/** Looks again after moving the file away: another process may have put a fresh one in its place in between. */
async function removeStaleLock(file: string, staleContent: string): Promise<void> {
  const aside = `${file}.stale-${randomBytes(6).toString('hex')}`;
  try {
    await rename(file, aside);
    if ((await readFile(aside, 'utf8')) !== staleContent) await link(aside, file);
  } catch {
    // Somebody else moved it first, or a still newer one is there already: nothing left to do.
  } finally {
    await rm(aside, { force: true });
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().finally(() => handle.close());
}
