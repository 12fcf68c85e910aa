import { transformFile } from '@swc/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { TEST_ENVIRONMENT } from './databases.js';

const SOURCES = ['src', 'migrations'];
const START_TIMEOUT_MS = 60_000; // of a machine that does much else
/** Of Fastify's own line in the log: the port may be one that the system chose. */
const LISTENING = /Server listening at (http:[^\s"]+)"/;

/** A Keyward of its own process, that can be killed and watched as the one of an operator. */
export interface KeywardProcess {
  readonly url: string;
  readonly pid: number;
  /** What it has written so far, to both of its outputs. */
  output(): string;
  /** Ends it at once, without a chance to finish anything. */
  kill(): Promise<void>;
  /** Asks it to stop, and tells its exit code; null when a signal ended it. */
  stop(): Promise<number | null>;
}

/** The service as plain JavaScript in a scratch directory: so that it runs from a clean clone, before any build. */
export class CompiledKeyward {
  private readonly children = new Set<ChildProcess>();

  private constructor(readonly directory: string) {}

  static async make(): Promise<CompiledKeyward> {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-process-'));
    await symlink(resolve('node_modules'), join(directory, 'node_modules'));
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    const names = await Promise.all(SOURCES.map((root) => readdir(root, { recursive: true })));
    const files = names.flatMap((below, index) => below.map((name) => join(SOURCES[index]!, name)));
    await Promise.all(files.filter((file) => file.endsWith('.ts')).map((file) => compile(file, directory)));
    return new CompiledKeyward(directory);
  }

  /** Starts the service on a free port; resolves when it listens. */
  async start(env: Readonly<Record<string, string>>): Promise<KeywardProcess> {
    const { child, output } = this.spawn('src/main.js', [], { PORT: '0', ...env });
    const url = await new Promise<string>((accept, reject) => {
      const fail = (what: string): void => reject(new Error(`Keyward ${what}:\n${output()}`));
      const timer = setTimeout(() => fail(`does not listen after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
      child.once('exit', (code, signal) => fail(`ended with ${code ?? signal} before it listened`));
      child.stdout!.on('data', () => {
        const [, found] = LISTENING.exec(output()) ?? [];
        if (found === undefined) return;
        clearTimeout(timer);
        accept(found);
      });
    });
    const ended = once(child, 'exit');
    const end = async (signal: NodeJS.Signals): Promise<number | null> => {
      child.kill(signal);
      await ended;
      return child.exitCode;
    };
    return {
      url,
      pid: child.pid!,
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

  /** Kills what still runs and removes the directory. */
  async remove(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await rm(this.directory, { recursive: true, force: true });
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
