/**
 * The arrows of docs/ARCHITECTURE.md: one named rule per sentence there. scripts/ci-import-rules.mjs proves that each one bites.
 * `npm run check:imports`
 */
const DOORS = [
  'authentication',
  'bootstrap',
  'health',
  'problems',
  'oauth',
  'forward-auth',
  'metrics',
  'compat/unleash',
  'compat/katapult',
];
/** Each module may import those after it. */
const CORE = ['webhooks', 'verification', 'service-accounts', 'tokens', 'organizations', 'audit'];
/** Each rank may import those after it, and not its own neighbours. */
const VOCABULARY = [['idempotency', 'rate-limit'], ['access'], ['common'], ['errors']];
const GROUND = ['database', 'config'];

const folders = (...names) => `^src/(${names.flat(2).join('|')})/`;
const COMPOSITION = '^src/[^/]+\\.ts$|^src/logging/';

/** One rule per rank of an order, all of one name: a folder may not import what stands before it, nor beside it. */
function inOrder(name, comment, ranks) {
  return ranks.flatMap((rank, index) =>
    rank.map((folder) => ({
      name,
      comment,
      severity: 'error',
      from: { path: folders(folder) },
      to: {
        path: folders(
          ...ranks.slice(0, index),
          rank.filter((other) => other !== folder),
          'none',
        ),
      },
    })),
  );
}

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule(
      'every-folder-has-a-layer',
      'A new folder is named here before anything is written in it.',
      { path: '^src/', pathNot: [COMPOSITION, folders(DOORS, CORE, VOCABULARY, GROUND)] },
      {},
    ),
    rule(
      'composition-is-imported-by-nobody',
      'What puts the application together is known to nothing that it puts together.',
      { path: folders(DOORS, CORE, VOCABULARY, GROUND) },
      { path: COMPOSITION, pathNot: '^src/logging/' },
    ),
    rule(
      'logging-belongs-to-the-composition',
      "Others log through Nest's Logger.",
      { path: folders(DOORS, CORE, VOCABULARY, GROUND) },
      { path: '^src/logging/' },
    ),
    rule(
      'doors-are-imported-by-app-module-only',
      'Deleting a door and its line in app.module.ts leaves a program that compiles.',
      { path: '^src/', pathNot: ['^src/app\\.module\\.ts$', '^src/(greeting|workers)\\.ts$', folders(DOORS)] },
      { path: folders(DOORS) },
    ),
    ...[
      ['greeting', 'authentication/mint-development-jwt'],
      ['workers', 'metrics/cluster-metrics'],
    ].map(([borrower, lent]) =>
      rule(
        'doors-lend-two-functions',
        'The first credential of a development start, and the metrics of all workers in one answer.',
        { path: `^src/${borrower}\\.ts$` },
        { path: folders(DOORS), pathNot: `^src/${lent}\\.ts$` },
      ),
    ),
    rule(
      'no-door-imports-another',
      'Two doors have the core in common and nothing else.',
      { path: `^src/(${DOORS.join('|')})/` },
      { path: folders(DOORS), pathNot: '^src/$1/' },
    ),
    ...inOrder(
      'core-in-import-order',
      'webhooks, verification, service-accounts, tokens, organizations, audit.',
      CORE.map((folder) => [folder]),
    ),
    rule(
      'vocabulary-knows-no-core',
      'Words do not depend on what is said with them.',
      { path: folders(VOCABULARY) },
      { path: folders(CORE) },
    ),
    ...inOrder('vocabulary-in-import-order', 'idempotency and rate-limit, access, common, errors.', VOCABULARY),
    rule(
      'ground-knows-nothing-above',
      'It could serve another program.',
      { path: folders(GROUND) },
      { path: folders(CORE, VOCABULARY) },
    ),
    rule(
      'config-stands-on-nothing',
      'Everything may be configured, so configuration may use nothing.',
      { path: folders('config') },
      { path: '^(src|migrations)/', pathNot: '^src/config/' },
    ),
    rule(
      'migrations-import-nothing',
      'A migration says for ever what it said on its day.',
      { path: '^migrations/' },
      { path: '^src/' },
    ),
    rule(
      'migrations-are-run-by-database-only',
      'database/open-database.ts lists them.',
      { path: '^src/', pathNot: '^src/database/' },
      { path: '^migrations/' },
    ),
    rule(
      'entities-cross-folders-as-types-only',
      'A table has one owner; app.module.ts alone collects the classes.',
      { path: '^src/((?:compat/)?[^/]+)', pathNot: '^src/app\\.module\\.ts$' },
      { path: '\\.entity\\.ts$', pathNot: '^src/$1/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'translate-is-pure',
      "A dialect's translation is a pure function of what it is given.",
      { path: '^src/compat/.*/translate\\.ts$' },
      {
        path: [
          '\\.(service|module|controller|guard|filter|reader)\\.ts$',
          'node_modules/(@nestjs|typeorm|pg|fastify)/',
        ],
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'no-cycles',
      'Types included: two files that need each other are one file, or hide a third.',
      {},
      { circular: true },
    ),
    rule(
      'only-what-ships',
      'A development dependency is not there in production.',
      { path: '^(src|migrations)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'everything-resolves',
      'An import that leads nowhere would escape every other rule.',
      {},
      { couldNotResolve: true },
    ),
    rule(
      'no-tests-in-the-program',
      'Tests and benchmarks look at the program, never the other way round.',
      { path: '^(src|migrations)/' },
      { path: '^(test|bench|scripts)/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
