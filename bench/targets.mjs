// What this service is meant to reach, and whether it did: every number that docs/performance.md promises stands here.

const BATCH_ITEMS_PER_SECOND = 150_000;
const MEGABYTES_OF_100_000_TOKENS = 120;
const REVOCATION_P99_MS = 50;
const GROWTH_MAX = 1.3;

const ratio = (number) => number.toFixed(number < 0.1 ? 3 : 2);
const atMost = (what, limit, value, show = ratio) => ({
  what,
  target: `≤ ${show(limit)}`,
  seen: show(value),
  isMet: value <= limit,
});
const atLeast = (what, limit, value, show = ratio) => ({
  what,
  target: `≥ ${show(limit)}`,
  seen: show(value),
  isMet: value >= limit,
});

/** @returns {{ what: string, target: string, seen: string, isMet: boolean }[]} */
export function verdictsOf(results) {
  return [
    ...throughputVerdicts(results.throughput?.operations ?? []),
    ...statementVerdicts(results.statements),
    ...revocationVerdicts(results.revocation),
    ...memoryVerdicts(results.memory),
    ...floodVerdicts(results.flood ?? []),
  ];
}

function throughputVerdicts(operations) {
  const sizes = [...new Set(operations.flatMap(({ tokens }) => tokens ?? []))];
  const find = (name, tokens) => operations.find((one) => one.name === name && one.tokens === tokens);
  const rules = {
    'verify hit': ({ toFloor }, at) => [
      atMost(`verify hit${at}: CPU to the floor's`, 1.35, toFloor.cpuMicroseconds.median),
      atLeast(`verify hit${at}: throughput to the floor's`, 0.75, toFloor.perSecond.median),
      atMost(`verify hit${at}: p99 to the floor's`, 1.5, toFloor.p99Ms.median),
    ],
    introspect: ({ toFloor }, at) => [
      atLeast(`introspect${at}: throughput to the floor's`, 0.65, toFloor.perSecond.median),
    ],
    'forward-auth': ({ toFloor }, at) => [
      atLeast(`forward-auth${at}: throughput to the floor's`, 0.65, toFloor.perSecond.median),
    ],
    'verify batch': ({ itemsPerSecond }, at) => [
      atLeast(`verify batch${at}: tokens/s`, BATCH_ITEMS_PER_SECOND, itemsPerSecond, (number) =>
        Math.round(number).toLocaleString('en'),
      ),
    ],
    'list of 100': ({ toFloor }, at) => [
      atLeast(`list of 100${at}: throughput to the floor's`, 0.06, toFloor.perSecond.median),
    ],
    'list of 100, not kept': ({ toFloor }, at) => [
      atLeast(`list of 100, not kept${at}: throughput to the floor's`, 0.06, toFloor.perSecond.median),
    ],
    create: ({ toFloor }, at) => [atLeast(`create${at}: throughput to the floor's`, 0.035, toFloor.perSecond.median)],
  };
  const verdicts = Object.entries(rules).flatMap(([name, rule]) =>
    sizes.flatMap((tokens) => {
      const one = find(name, tokens);
      return one === undefined ? [] : rule(one, ` (${tokens.toLocaleString('en')})`);
    }),
  );
  const growth = ['verify miss', 'verify hit'].flatMap((name) => {
    const growth = find(name, sizes.at(-1))?.growth;
    if (growth === undefined) return [];
    const [whose, seen] =
      name === 'verify miss'
        ? ['CPU of service and PostgreSQL', growth.withPostgres]
        : ['CPU of the service', growth.service];
    return [atMost(`${name}: ${whose} with the larger table to that with the smaller`, GROWTH_MAX, seen)];
  });
  return [...verdicts, ...growth];
}

function statementVerdicts(statements) {
  if (statements === undefined) return [];
  const { questions, misses, hits } = statements;
  return [
    {
      what: 'verify miss: SQL statements',
      target: '1',
      seen: String((misses.lookUps + misses.others) / questions),
      isMet: misses.lookUps === questions && misses.others === 0,
    },
    {
      what: 'verify hit: SQL statements',
      target: '0',
      seen: String((hits.lookUps + hits.others) / questions),
      isMet: hits.lookUps + hits.others === 0,
    },
  ];
}

function revocationVerdicts(revocation) {
  if (revocation === undefined) return [];
  return [
    atMost('revocation: p99 to the other process, ms', REVOCATION_P99_MS, revocation.lagMs.p99, (number) =>
      number.toFixed(1),
    ),
    {
      what: 'revocation: accepted after the bound',
      target: '0',
      seen: String(revocation.validAfterTheBound),
      isMet: revocation.validAfterTheBound === 0,
    },
  ];
}

function memoryVerdicts(memory) {
  if (memory === undefined) return [];
  const megabytes = (number) => `${number.toFixed(0)} MB`;
  const limit = (MEGABYTES_OF_100_000_TOKENS * memory.cachedTokens) / 100_000;
  const what = `memory of ${memory.cachedTokens.toLocaleString('en')} cached tokens`;
  const { heapBytes, residentBytes } = memory.addedByVerification;
  return [
    atMost(`${what}, heap`, limit, heapBytes / 1e6, megabytes),
    atMost(`${what}, resident`, limit, residentBytes / 1e6, megabytes),
  ];
}

function floodVerdicts(floods) {
  return floods.map(({ name, lookUps, lookUpsBound }) =>
    atMost(`flood (${name}): database queries`, lookUpsBound, lookUps, (number) => number.toLocaleString('en')),
  );
}
