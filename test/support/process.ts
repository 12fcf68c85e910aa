import { transformFile } from '@swc/core';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { TEST_ENVIRONMENT } from './databases.js';

const SOURCES = ['src', 'migrations'];
const START_TIMEOUT_MS = 60_000; // of a machine that does much else
/** Of Fastify's own line in the log: the port may be one that the system chose. */
const LISTENING = /Server listening at (http:[^\s"]+)"/;

/** A Keyward of its own process, that can be killed and watched as the one of an operator. */
export interface LaunchedKeyward {
  readonly pid: number;
  /** Its URL as soon as it listens; rejects when it ends before. */
  readonly listening: Promise<string>;
  /** Its exit code when it has ended; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** What it has written so far, to both of its outputs. */
  output(): string;
  /** Ends it at once, without a chance to finish anything. */
  kill(): Promise<void>;
  /** Asks it to stop, and tells its exit code; null when a signal ended it. */
  stop(): Promise<number | null>;
}

/** One that listens. */
export interface KeywardProcess extends LaunchedKeyward {
  readonly url: string;
}

export interface RunningProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly command: string;
}

/** The service as plain JavaScript in a scratch directory: so that it runs from a clean clone, before any build. */
export class CompiledKeyward {
  private readonly children = new Set<ChildProcess>();

  private constructor(readonly directory: string) {}

  static async make(): Promise<CompiledKeyward> {
    const directory = await mkdtemp(join(await realpath(tmpdir()), 'keyward-process-'));
    await symlink(resolve('node_modules'), join(directory, 'node_modules'));
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    const names = await Promise.all(SOURCES.map((root) => readdir(root, { recursive: true })));
    const files = names.flatMap((below, index) => below.map((name) => join(SOURCES[index]!, name)));
    await Promise.all(files.filter((file) => file.endsWith('.ts')).map((file) => compile(file, directory)));
    return new CompiledKeyward(directory);
  }

  /** Starts the service on a free port; resolves when it listens. */
  async start(env: Readonly<Record<string, string>>): Promise<KeywardProcess> {
    const launched = this.launch(env);
    return { ...launched, url: await launched.listening };
  }

  /** Starts the service without waiting for it. */
  launch(env: Readonly<Record<string, string>>): LaunchedKeyward {
    const { child, output } = this.spawn('src/main.js', [], { PORT: '0', ...env });
    const ended = once(child, 'exit').then(() => child.exitCode);
    const listening = whenListening(child, output);
    listening.catch(() => undefined); // for those who do not wait for it
    const end = (signal: NodeJS.Signals): Promise<number | null> => {
      child.kill(signal);
      return ended;
    };
    return {
      pid: child.pid!,
      listening,
      ended,
      output,
      kill: async () => void (await end('SIGKILL')),
      stop: () => end('SIGTERM'),
    };
  }

  /** Runs a program of the service to its end. */
  async run(
    program: string,
    parameters: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; output: string }> {
    const { child, output } = this.spawn(program, parameters, env);
    await once(child, 'close');
    return { code: child.exitCode, output: output() };
  }

  /** Where the service keeps its embedded PostgreSQL, when it is not given a DATABASE_URL. */
  get dataDirectory(): string {
    return join(this.directory, 'data');
  }

  private get cluster(): string {
    return join(this.dataDirectory, 'postgres');
  }

  /** The URL of the embedded PostgreSQL that runs, to look into it beside the service. */
  async embeddedUrl(): Promise<string> {
    const lock = await readFile(join(this.cluster, 'postmaster.pid'), 'utf8');
    const [, , , port = '', socketDirectory = ''] = lock.split('\n');
    return `postgres://keyward@${encodeURIComponent(socketDirectory)}:${port}/keyward`;
  }

  /** What runs from this directory or on it, with its children: services, their workers, the embedded PostgreSQL. */
  async processes(): Promise<RunningProcess[]> {
    const running = await runningProcesses();
    const pids = new Set(running.filter(({ command }) => command.includes(this.directory)).map(({ pid }) => pid));
    return running.filter(({ pid, parentPid }) => pids.has(pid) || pids.has(parentPid));
  }

  /**
   * Takes aim at the embedded PostgreSQL, its children included; the function that is returned kills them all at one
   * moment. Until then those who are connected notice nothing.
   */
  async aimAtEmbeddedPostgres(): Promise<() => void> {
    const postmaster = (await this.processes()).find(({ command }) => command.includes(` -D ${this.cluster} `));
    if (postmaster === undefined) throw new Error('The embedded PostgreSQL does not run.');
    process.kill(postmaster.pid, 'SIGSTOP'); // so that it has no more children than are found now
    const children = (await runningProcesses()).filter(({ parentPid }) => parentPid === postmaster.pid);
    return () => {
      for (const { pid } of [...children, postmaster]) process.kill(pid, 'SIGKILL');
    };
  }

  /** Kills what still runs, workers and database server included. */
  async killAll(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    for (const { pid } of await this.processes()) killIfThere(pid);
  }

  /** Kills what still runs and removes the directory. */
  async remove(): Promise<void> {
    await this.killAll();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Nothing of this process's own environment reaches it: neither a DATABASE_URL nor a PGHOST. */
  private spawn(
    program: string,
    parameters: readonly string[],
    env: Readonly<Record<string, string>>,
  ): { child: ChildProcess; output: () => string } {
    const child = spawn(process.execPath, [join(this.directory, program), ...parameters], {
      cwd: this.directory,
      env: { PATH: process.env['PATH'] ?? '', NODE_NO_WARNINGS: '1', ...TEST_ENVIRONMENT, LOG_LEVEL: 'info', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    return { child, output: () => Buffer.concat(chunks).toString('utf8') };
  }
}

function whenListening(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      child.stdout!.off('data', look);
      outcome();
    };
    const fail = (what: string): void => settle(() => reject(new Error(`Keyward ${what}:\n${output()}`)));
    const look = (): void => {
      const [, url] = LISTENING.exec(output()) ?? [];
      if (url !== undefined) settle(() => resolve(url));
    };
    const timer = setTimeout(() => fail(`does not listen after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    child.stdout!.on('data', look);
    child.once('exit', (code, signal) => fail(`ended with ${code ?? signal} before it listened`));
  });
}

/** Everything that runs on this machine, but for what has ended and waits for its parent to notice. */
export async function runningProcesses(): Promise<RunningProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args=']);
  const lines = [...stdout.matchAll(/^ *(\d+) +(\d+) +([^ Z]\S*) +(.*)$/gm)];
  return lines.map(([, pid, parentPid, , command = '']) => ({
    pid: Number(pid),
    parentPid: Number(parentPid),
    command,
  }));
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function compile(file: string, directory: string): Promise<void> {
  const { code } = await transformFile(file, {
    configFile: false,
    swcrc: false,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
    },
    module: { type: 'es6' },
  });
  const target = join(directory, file.replace(/\.ts$/, '.js'));
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, code);
}
