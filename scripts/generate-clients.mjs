// Writes the types with which the typed stories in test/clients call the service, one file for each document under openapi/; a part of
// `npm run generate`. `node scripts/generate-clients.mjs --check native …` writes nothing, and ends with 1 where a file is not up to date.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import openapiTypeScript, { astToString } from 'openapi-typescript';

process.chdir(resolve(import.meta.dirname, '..'));
const target = 'test/clients/stories/generated';

const [mode, ...named] = process.argv.slice(2);
const isCheck = mode === '--check';
const names = isCheck ? named : readdirSync('openapi', 'utf8').flatMap((file) => file.match(/^(.+)\.json$/)?.[1] ?? []);

mkdirSync(target, { recursive: true });
for (const name of names) {
  const file = join(target, `${name}.d.ts`);
  const text = await typesOf(join('openapi', `${name}.json`));
  if (!isCheck) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${basename(file)} is not what the document says: npm run generate`);
    process.exitCode = 1;
  }
}

/** Without the descriptions, which would change it more often than the API changes. What has a default may be left out of a request. */
async function typesOf(document) {
  const tree = await openapiTypeScript(pathToFileURL(resolve(document)), { silent: true, defaultNonNullable: false });
  return `// Generated from ${document} by \`npm run generate\`.\n${astToString(tree, { formatOptions: { removeComments: true } })}`;
}
