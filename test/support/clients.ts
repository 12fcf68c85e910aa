import { execFile } from 'node:child_process';

/** How a program ended, and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script in docs/clients that tells the story of a dialect. */
export function runClientScript(dialect: string, url: string, jwt: string): Promise<Outcome> {
  return run(`docs/clients/${dialect}.mjs`, [], { KEYWARD: url, JWT: jwt });
}

/** Runs a script with this Node, and with nothing of this process's environment but its PATH. */
export function run(script: string, parameters: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((accept) => {
    const options = { env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, [script, ...parameters], options, (error, stdout, stderr) =>
      accept({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}
