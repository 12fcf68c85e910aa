// Proves that each import rule bites: in a copy of the sources, one forbidden import per rule must be reported under that rule's
// name. Also compares the rules with the sentences of docs/ARCHITECTURE.md, which name them.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const { forbidden } = require('../.dependency-cruiser.cjs');
const ruleNames = [...new Set(forbidden.map(({ name }) => name))];

/** For each rule: [file that offends, what it says]. Files that exist are extended, others are made. */
const OFFENCES = {
  'every-folder-has-a-layer': [['src/utilities/offence.ts', "import '../config/config.js';"]],
  'composition-is-imported-by-nobody': [['src/tokens/offence-1.ts', "import '../create-app.js';"]],
  'logging-belongs-to-the-composition': [['src/audit/offence-1.ts', "import '../logging/logger.js';"]],
  'doors-are-imported-by-app-module-only': [
    ['src/organizations/offence-1.ts', "import '../health/health.controller.js';"],
    ['src/cli.ts', "import './bootstrap/bootstrap.module.js';"],
  ],
  'doors-lend-two-functions': [
    ['src/greeting.ts', "import './authentication/jwt-trust.js';"],
    ['src/workers.ts', "import './health/health.controller.js';"],
  ],
  'no-door-imports-another': [['src/health/offence-1.ts', "import '../problems/problems.controller.js';"]],
  'core-in-import-order': [
    ['src/audit/offence-2.ts', "import '../organizations/organizations.service.js';"],
    ['src/organizations/offence-2.ts', "import '../tokens/tokens.service.js';"],
    [
      'src/tokens/offence-2.ts',
      "import type { ServiceAccountsService } from '../service-accounts/service-accounts.service.js';",
    ],
    ['src/service-accounts/offence-1.ts', "import '../verification/verification.module.js';"],
  ],
  'vocabulary-knows-no-core': [['src/access/offence-1.ts', "import '../tokens/token-secret.js';"]],
  'vocabulary-in-import-order': [
    ['src/errors/offence-1.ts', "import '../common/slug.js';"],
    ['src/common/offence-1.ts', "import '../access/scopes.js';"],
    ['src/access/offence-2.ts', "import '../idempotency/idempotency.js';"],
    ['src/idempotency/offence-1.ts', "import '../rate-limit/rate-limiter.service.js';"],
  ],
  'ground-knows-nothing-above': [['src/database/offence-1.ts', "import '../errors/refusal.js';"]],
  'config-stands-on-nothing': [['src/config/offence-1.ts', "import '../database/snake-naming.js';"]],
  'migrations-import-nothing': [['migrations/offence.ts', "import '../src/database/column-types.js';"]],
  'migrations-are-run-by-database-only': [['src/bootstrap/offence-1.ts', "import '../../migrations/offence.js';"]],
  'entities-cross-folders-as-types-only': [
    [
      'src/service-accounts/offence-2.ts',
      "import { Token } from '../tokens/token.entity.js';\nexport const owner = Token;",
    ],
  ],
  'translate-is-pure': [['src/compat/unleash/translate.ts', "import '../../tokens/tokens.service.js';"]],
  'no-cycles': [['src/common/offence-2.ts', "import './offence-3.js';\nexport type Offence = 1;"]],
  'only-what-ships': [['src/common/offence-4.ts', "import 'jest';"]],
  'everything-resolves': [['src/common/offence-5.ts', "import './is-not-there.js';"]],
  'no-tests-in-the-program': [['src/common/offence-6.ts', "import '../../test/offence.js';"]],
};

/** Files that only exist to be imported. */
const TARGETS = [
  ['src/common/offence-3.ts', "export type { Offence } from './offence-2.js';"],
  ['test/offence.ts', 'export {};'],
];

/** What `npm run check:imports` would say in the directory, and the violations by name. */
function cruise(directory) {
  const binary = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const run = (...options) =>
    spawnSync(
      process.execPath,
      [binary, '--config', join(root, '.dependency-cruiser.cjs'), ...options, 'src', 'migrations'],
      {
        cwd: directory,
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      },
    );
  const { stdout, stderr } = run('--output-type', 'json'); // this form always ends with 0
  if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser failed: ${stderr}${stdout}`);
  return { status: run().status, violations: JSON.parse(stdout).summary.violations };
}

const copy = mkdtempSync(join(tmpdir(), 'keyward-import-rules-'));
const failures = [];
try {
  for (const name of ['src', 'migrations', 'tsconfig.json', 'package.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
  for (const [file, text] of [...Object.values(OFFENCES).flat(), ...TARGETS]) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), `${text}\n`, { flag: 'a' });
  }
  const { status, violations } = cruise(copy);
  if (status === 0) failures.push('dependency-cruiser ended with 0 over forbidden imports');
  for (const name of ruleNames) {
    const offences = OFFENCES[name] ?? [];
    if (offences.length === 0) failures.push(`${name}: no offence is tried here`);
    for (const [file] of offences) {
      if (!violations.some(({ from, rule }) => from === file && rule.name === name))
        failures.push(`${name}: did not see ${file}`);
    }
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

const architecture = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
const named = new Set([...architecture.matchAll(/\[`([a-z-]+)`\]/g)].map(([, name]) => name));
for (const name of ruleNames)
  if (!named.has(name)) failures.push(`docs/ARCHITECTURE.md does not name the rule ${name}`);
for (const name of named)
  if (!ruleNames.includes(name)) failures.push(`docs/ARCHITECTURE.md names ${name}, which is no rule`);

for (const failure of failures) console.error(failure);
console.log(
  `${ruleNames.length} import rules, ${Object.values(OFFENCES).flat().length} forbidden imports tried, ${failures.length} failures`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
