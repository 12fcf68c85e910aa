import { readdirSync } from 'node:fs';
import { run } from '../support/clients.js';

/** A generator and a compiler run. */
const TIMEOUT_MS = 60_000;
const STORIES = 'test/clients/stories';
const SUCCESS = { code: 0, stdout: '', stderr: '' };

/** What a story is compiled with: as strict as our own sources, and in a program that is no part of them. */
const COMPILER_OPTIONS =
  '--ignoreConfig --noEmit --pretty false --strict --noUncheckedIndexedAccess --skipLibCheck --lib es2024,dom --module nodenext --target es2023';

describe('the types that are generated from the documents', () => {
  it(
    'are those that are checked in',
    async () => {
      const documents = readdirSync('openapi').flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
      expect(await run('scripts/generate-clients.mjs', ['--check', ...documents])).toEqual(SUCCESS);
    },
    TIMEOUT_MS,
  );

  it(
    'find each story right, and wrong what it marks as wrong',
    async () => {
      const stories = readdirSync(STORIES).filter((file) => file.endsWith('.story.ts'));
      const files = stories.map((file) => `${STORIES}/${file}`);
      expect(await run('node_modules/typescript/bin/tsc', [...COMPILER_OPTIONS.split(' '), ...files])).toEqual(SUCCESS);
    },
    TIMEOUT_MS,
  );
});
