import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, chmod, constants, mkdir, open, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import {
  type Directories,
  ensurePasswordFile,
  giveTo,
  hasCluster,
  isRoot,
  ownerOf,
  SOCKET_PORT,
} from './embedded-postgres-directories.js';

/** The superuser of the cluster. */
export const SUPERUSER = 'keyward';
const INITDB_TIMEOUT_MS = 120_000;
const LOG_BYTES_MAX = 4 * 1024 * 1024;
const LOG_TAIL_BYTES = 4096;
const INSTEAD = 'Or set DATABASE_URL, to use a PostgreSQL server of your own instead.';

/** What stays the same for every embedded server unless the caller's settings say otherwise. */
const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // `log` leaves out what goes wrong in statements: the client is told that anyway, and the file must neither grow
  // with refused requests nor keep values out of them.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  logging_collector: 'off',
};

type Binaries = Readonly<Record<'initdb' | 'postgres' | 'pgCtl', string>>;

/** How to become somebody whom PostgreSQL agrees to run as: through another command, or as another user. */
interface RunAs {
  readonly command: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

export interface ServerProcess {
  /** Undefined while it runs; afterwards how it ended. */
  readonly ended: () => string | undefined;
  /** What it wrote to the log so far (and others with it). */
  readonly output: () => Promise<string>;
}

/** An error that shows the end of the server's log, and the way out. */
export async function embeddedPostgresError(sentence: string, { logFile }: Directories): Promise<Error> {
  const log = await readTail(logFile, 0);
  return new Error(`${sentence}\n${log === '' ? '' : `The end of ${logFile}:\n${log}\n`}${INSTEAD}`);
}

/** Makes the files of a new cluster in an empty directory; `isDurable` costs the time of writing them to the disk. */
export async function initdb(directories: Directories, path: string, isDurable: boolean): Promise<void> {
  const binaries = await findBinaries();
  // Sorting and letter case by the server's own C.UTF-8, so that neither depends on what the system has installed.
  const args = ['-D', path, `--username=${SUPERUSER}`, '--encoding=UTF8', '--locale=C', '--locale-provider=builtin'];
  args.push('--builtin-locale=C.UTF-8', '--no-instructions', ...(isDurable ? [] : ['--no-sync']));
  // Whoever can enter the socket's directory owns the files anyway. Windows has a network port instead.
  if (process.platform !== 'win32') args.push('--auth=trust');
  else args.push('--auth=scram-sha-256', `--pwfile=${await ensurePasswordFile(directories)}`);
  const runAs = await chooseRunAs(directories, binaries);
  await giveTo(path, await ownerOf(directories));
  const { failure, output } = await run(binaries.initdb, args, runAs);
  if (failure) {
    throw new Error(`The embedded PostgreSQL could not be set up (initdb ${failure}).\n${output}\n${INSTEAD}`);
  }
}

/**
 * Starts a server that outlives this process and ignores its terminal. That it may fail, for instance because another
 * process was faster, is for the caller to find out.
 */
export async function launch(
  directories: Directories,
  socketDirectory: string,
  settings: Readonly<Record<string, string>>,
): Promise<ServerProcess> {
  const binaries = await findBinaries();
  const runAs = await chooseRunAs(directories, binaries);
  const log = await open(directories.logFile, 'a', 0o600);
  try {
    await giveTo(directories.logFile, await ownerOf(directories));
    if ((await log.stat()).size > LOG_BYTES_MAX) await log.truncate();
    const logStart = (await log.stat()).size;
    const parameters = { ...DEFAULT_SETTINGS, ...settings, ...addressSettings(socketDirectory) };
    const flags = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const [command = binaries.postgres, ...args] = [
      ...runAs.command,
      binaries.postgres,
      '-D',
      directories.cluster,
      ...flags,
    ];
    const child = spawn(command, args, {
      ...processOptions(runAs),
      cwd: directories.root,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.unref();
    return { ended: endOf(child), output: () => readTail(directories.logFile, logStart) };
  } finally {
    await log.close();
  }
}

/** Windows has no signals: `pg_ctl` has a way of its own to ask for the same "fast" shutdown. */
export async function requestStop(pid: number, directories: Directories): Promise<void> {
  if (process.platform !== 'win32') return void process.kill(pid, 'SIGINT');
  await run((await findBinaries()).pgCtl, ['stop', '-D', directories.cluster, '-m', 'fast', '-W'], { command: [] });
}

/**
 * Windows, where none of this could be tried, has no such sockets: there it is some port of the loopback address, and
 * one that is taken is a failed launch, after which another is tried.
 */
function addressSettings(socketDirectory: string): Record<string, string> {
  if (process.platform === 'win32') return { listen_addresses: '127.0.0.1', port: String(randomInt(20_000, 49_000)) };
  return {
    listen_addresses: '',
    // The server reads a list here: quoted, a path may have commas and spaces.
    unix_socket_directories: `"${socketDirectory.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    port: String(SOCKET_PORT),
  };
}

function endOf(child: ChildProcess): () => string | undefined {
  let end: string | undefined;
  child.on('error', (error) => (end ??= error.message));
  child.on('exit', (code, signal) => (end ??= signal ? `was killed by ${signal}` : `exited with code ${code}`));
  return () => end;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the owner of the files, or as nobody of a user namespace: seen
 * from outside such a process is still root's, without its powers, and so are its files. That namespace also serves
 * an owner whose number has no name here, as containers have: initdb refuses those.
 */
async function chooseRunAs(directories: Directories, binaries: Binaries): Promise<RunAs> {
  if (!process.getuid) return { command: [] };
  const owner = await ownerOf(directories);
  const identity = isRoot() && owner.uid !== 0 ? owner : {};
  const uid = isRoot() ? owner.uid : process.getuid();
  const accounts = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  if (uid !== 0 && accounts.some(([, , number]) => number === String(uid))) return { command: [], ...identity };
  const command = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'];
  const trial = await run(binaries.postgres, ['--version'], { command, ...identity });
  if (!trial.failure) return { command, ...identity };
  // The user may have a name that is not in that file; if it has none, initdb will say so.
  if (uid !== 0) return { command: [], ...identity };
  const names = ['postgres', '_postgres', 'nobody'];
  const [account] = names.flatMap((name) => accounts.filter(([found]) => found === name));
  if (!account || hasCluster(directories)) {
    const reason = account ? `${directories.cluster} belongs to root` : 'there is no user "postgres" or "nobody"';
    const refusal = `PostgreSQL refuses to run as root, and unshare does not work (${trial.output.trim()})`;
    throw new Error(`${refusal}; ${reason}. Start Keyward as another user. ${INSTEAD}`);
  }
  const user = { uid: Number(account[2]), gid: Number(account[3]) };
  await giveTo(directories.root, user);
  return { command: [], ...user };
}

function processOptions({ uid, gid }: RunAs) {
  // Not the whole environment: PG… variables would change what the server does, and it has no business with secrets.
  const names = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP'];
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  // LC_ALL also keeps the macOS libraries from starting threads in the server, which it does not survive.
  return { env: { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' } as NodeJS.ProcessEnv, uid, gid };
}

async function run(file: string, fileArgs: string[], runAs: RunAs): Promise<{ failure?: string; output: string }> {
  const [command = file, ...args] = [...runAs.command, file, ...fileArgs];
  const options = { ...processOptions(runAs), timeout: INITDB_TIMEOUT_MS, killSignal: 'SIGKILL' as const };
  return new Promise((resolve) => {
    execFile(command, args, { ...options, windowsHide: true }, (error, stdout, stderr) => {
      const failure = error?.killed
        ? `took longer than ${INITDB_TIMEOUT_MS / 1000} s`
        : error && `failed: ${error.code}`;
      resolve({ failure: failure ?? undefined, output: `${stdout}${stderr}` || (error?.message ?? '') });
    });
  });
}

/** The binaries of this platform's package, with the library links and modes that its install script makes. */
async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const native = findNativeDirectory(platform);
  const isMusl = process.platform === 'linux' && (await isLinkedWithMusl(process.execPath));
  if (!native || isMusl) {
    const reason = isMusl ? 'it needs glibc' : `no package @embedded-postgres/${platform} is installed`;
    const sentence = `The embedded PostgreSQL does not run on this system (${platform}: ${reason}).`;
    throw new Error(`${sentence} Set DATABASE_URL to a PostgreSQL server of your own.`);
  }
  await makeLibraryLinks(native);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const binary = (name: string): string => join(native, 'bin', name + suffix);
  for (const path of [binary('initdb'), binary('postgres')]) {
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
  }
  return { initdb: binary('initdb'), postgres: binary('postgres'), pgCtl: binary('pg_ctl') };
}

function findNativeDirectory(platform: string): string | undefined {
  try {
    // From where embedded-postgres is: only there do package managers that do not flatten put its own dependencies.
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(embedded).resolve(`@embedded-postgres/${platform}`)), '..', 'native');
  } catch {
    return undefined;
  }
}

/** An executable names its loader near its beginning. (process.report tells the libc too, but may wait for the DNS.) */
async function isLinkedWithMusl(executable: string): Promise<boolean> {
  return (await readSlice(executable, 0, 4096)).includes('/ld-musl-');
}

/** npm packs no links, and the package's install script that makes them does not run with `--ignore-scripts`. */
async function makeLibraryLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), join(native, '..', source)), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw new Error(`${path} is missing and cannot be made (${error.code}). ${INSTEAD}`);
    });
  }
}

async function readTail(file: string, from: number): Promise<string> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  const start = Math.max(from, size - LOG_TAIL_BYTES);
  return size > start ? (await readSlice(file, start, size - start)).trimEnd() : '';
}

async function readSlice(file: string, start: number, length: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
