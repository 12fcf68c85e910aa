import { execFile } from 'node:child_process';

/** For a test that runs a generator and a compiler. */
export const TYPES_TIMEOUT_MS = 60_000;

/** How a program ended, and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a story is compiled with: as strict as our own sources, and in a program that is no part of them. */
const COMPILER_OPTIONS =
  '--ignoreConfig --noEmit --pretty false --strict --noUncheckedIndexedAccess --skipLibCheck --lib es2024,dom --module nodenext --target es2023';

/** Runs the script in docs/clients that tells the story of a dialect. */
export function runClientScript(dialect: string, url: string, jwt: string): Promise<Outcome> {
  return run(`docs/clients/${dialect}.mjs`, [], { KEYWARD: url, JWT: jwt });
}

/**
 * Asserts that the generated types of these documents are those that are checked in, and that the story is well typed with them.
 * Where a story expects an error of the compiler, it is one that there is none.
 */
export async function expectTypes(dialect: string, ...documents: string[]): Promise<void> {
  const story = `test/clients/stories/${dialect}.story.ts`;
  const outcomes = await Promise.all([
    run('scripts/generate-clients.mjs', ['--check', ...documents]),
    run('node_modules/typescript/bin/tsc', [...COMPILER_OPTIONS.split(' '), story]),
  ]);
  const success = { code: 0, stdout: '', stderr: '' };
  expect(outcomes).toEqual([success, success]);
}

/** Runs a script with this Node, and with nothing of this process's environment but its PATH. */
function run(script: string, parameters: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((accept) => {
    const options = { env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, [script, ...parameters], options, (error, stdout, stderr) =>
      accept({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}
