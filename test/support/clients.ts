import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';

const STORIES = resolve('test/clients/stories');

/** How a program ended, and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script with this Node and nothing of this process's environment but its PATH. */
export function runScript(path: string, parameters: string[] = [], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((accept) => {
    const options = { env: { PATH: process.env['PATH'], ...env } };
    execFile(process.execPath, [path, ...parameters], options, (error, stdout, stderr) =>
      accept({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Runs the script in docs/clients that tells the story of a dialect. */
export function runClientScript(dialect: string, url: string, jwt: string): Promise<Outcome> {
  return runScript(`docs/clients/${dialect}.mjs`, [], { KEYWARD: url, JWT: jwt });
}

/** Whether the generated types of these documents are those that are checked in; otherwise says which are not. */
export async function compareGeneratedTypes(...documents: string[]): Promise<string> {
  return (await runScript('scripts/generate-clients.mjs', ['--check', ...documents])).stderr;
}

/** A text of a story, and what would be wrong there in its place. */
export type Mistake = readonly [right: string, wrong: string];

/** What the compiler has to say of the story as it is, and of each version of it that has one of the mistakes. */
export class StoryCompilation {
  /** Empty when the story is well typed. */
  readonly errors: readonly string[];
  /** For each mistake whether the compiler finds it. */
  readonly isFound: readonly boolean[];

  constructor(dialect: string, mistakes: readonly Mistake[]) {
    const story = readFileSync(`${STORIES}/${dialect}.story.ts`, 'utf8');
    const versions = mistakes.map(([right, wrong]) => {
      if (!story.includes(right)) throw new Error(`the story of ${dialect} has no ${right}`);
      return story.replace(right, wrong);
    });
    const [errors = [], ...found] = compile([story, ...versions]);
    this.errors = errors;
    this.isFound = found.map((messages) => messages.length > 0);
  }
}

/** Type-checks texts as if they stood beside the stories; the answer has the errors of each. */
function compile(texts: readonly string[]): string[][] {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path)) as {
    config: ts.TsConfigSourceFile;
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, resolve('.'));
  const host = ts.createCompilerHost(options);
  const files = new Map(texts.map((text, index) => [`${STORIES}/version-${index}.ts`, text]));
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  const program = ts.createProgram([...files.keys()], { ...options, types: ['node'], noEmit: true }, host);
  return [...files.keys()].map((path) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
  );
}
