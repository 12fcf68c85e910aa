// Proves that a dialect is a door and nothing more: `node scripts/ci-without-dialect.mjs unleash [jest argument …]`. In a scratch copy its
// folder, its two lines in app.module.ts, its own tests and clients and what the documentation says of the dialects are deleted. The rest
// must compile, generate its documents, and pass its tests (those that the further arguments choose).
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const [dialect, ...jestArguments] = process.argv.slice(2);
if (!dialect || !readdirSync(join(root, 'src/compat')).includes(dialect))
  throw new Error(`One of: ${readdirSync(join(root, 'src/compat')).join(', ')}`);

const copy = mkdtempSync(join(tmpdir(), `keyward-without-${dialect}-`));
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));

const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
for (const file of files.toString('utf8').split('\0').filter(Boolean)) {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  cpSync(join(root, file), join(copy, file));
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

rmSync(join(copy, 'src/compat', dialect), { recursive: true });
rmSync(join(copy, 'openapi', `${dialect}.json`));
rmSync(join(copy, 'docs/clients', `${dialect}.mjs`));
rmSync(join(copy, 'test/clients/stories', `${dialect}.story.ts`));
rmSync(join(copy, 'test/clients/stories/generated', `${dialect}.d.ts`));
rmSync(join(copy, 'docs/compatibility.md'));
dropLines('src/app.module.ts', new RegExp(`${dialect}.*module`, 'i'), 2);
rewrite('README.md', (text) => text.replace(/<!-- dialects -->[\s\S]*?<!-- end of the dialects -->/g, ''));
for (const file of readdirSync(join(copy, 'test'), { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.spec.ts')) continue;
  const text = readFileSync(join(copy, 'test', file), 'utf8');
  if (new RegExp(`(support|compat)/${dialect}\\b`).test(text)) rmSync(join(copy, 'test', file));
}

run('npm', ['run', 'generate']);
run('npm', ['run', 'typecheck']);
run('npm', ['test', '--', ...jestArguments]);
console.log(`Without ${dialect}, the rest compiles and passes.`);

function dropLines(file, pattern, count) {
  rewrite(file, (text) => {
    const lines = text.split('\n');
    const kept = lines.filter((line) => !pattern.test(line));
    if (lines.length - kept.length !== count)
      throw new Error(`${file}: ${lines.length - kept.length} lines name the dialect, and not ${count}`);
    return kept.join('\n');
  });
}

function rewrite(file, change) {
  writeFileSync(join(copy, file), change(readFileSync(join(copy, file), 'utf8')));
}

function run(command, args) {
  const { status, signal } = spawnSync(command, args, { cwd: copy, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`Without ${dialect}: ${command} ${args.join(' ')} ended with ${status ?? signal}`);
  process.exit(1);
}
