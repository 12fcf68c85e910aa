// The table, bench/results.json, and the figures in docs/performance.md, which are made from that file and from nothing else.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { verdictsOf } from './targets.mjs';

const RESULTS = join(import.meta.dirname, 'results.json');
const PEER_RESULTS = join(import.meta.dirname, 'peers/results.json');
const DOCUMENT = resolve(import.meta.dirname, '../docs/performance.md');
const BEGIN = '<!-- figures: written by bench/report.mjs from bench/results.json -->';
const END = '<!-- end of the figures -->';

const whole = (number) => Math.round(number).toLocaleString('en');
const fixed = (number, digits) => (Number.isFinite(number) ? number.toFixed(digits) : '–');
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const isNumber = (column) => column > 0;
  const line = (row) =>
    `| ${row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

/** The figures as Markdown, in the order of docs/performance.md. */
function sectionsOf(results) {
  const { machine, throughput, statements, revocation, memory, flood, seeding } = results;
  const pinned = machine.isPinned
    ? 'The measured server had core 0 to itself; the load generator and PostgreSQL shared core 1.'
    : 'Processes were not pinned to cores.';
  const sections = [
    `Measured at ${results.measuredAt.slice(0, 16).replace('T', ' ')} UTC, commit ${results.commit}, Node ${machine.node}, ${machine.system}, ` +
      `${machine.cores} × ${machine.processor}, ${machine.memoryGb} GB. ${pinned} Load average when it began: ${fixed(machine.loadAverageAtStart, 1)}. ` +
      `Databases filled in ${seeding.map(({ tokens, seconds }) => `${fixed(seconds, 1)} s (${whole(tokens)} tokens)`).join(' and ')}.`,
  ];
  if (throughput) sections.push(throughputTable(throughput));
  if (statements) sections.push(statementsOf(statements));
  if (revocation) sections.push(revocationOf(revocation));
  if (memory) sections.push(memoryOf(memory));
  if (flood) sections.push(floodOf(flood));
  const verdicts = verdictsOf(results);
  if (verdicts.length > 0) {
    const rows = verdicts.map(({ what, target, seen, isMet }) => [what, target, seen, isMet ? 'yes' : '**no**']);
    sections.push(`### Targets\n\n${table(['what', 'target', 'seen', 'met'], rows)}`);
  }
  return sections;
}

function throughputTable({ rounds, operations }) {
  const rows = operations.map((one) => [
    one.name,
    one.tokens === undefined ? '' : whole(one.tokens),
    whole(one.perSecond),
    fixed(one.p50Ms, 2),
    fixed(one.p99Ms, 2),
    fixed(one.cpuMicroseconds, 1),
    fixed(one.postgresMicroseconds, 1),
    one.toFloor ? fixed(one.toFloor.perSecond.median, 3) : '1',
    one.toFloor ? fixed(one.toFloor.p99Ms.median, 2) : '1',
    one.toFloor
      ? `${fixed(one.toFloor.cpuMicroseconds.median, 2)} (${fixed(one.toFloor.cpuMicroseconds.lowest, 2)}–${fixed(one.toFloor.cpuMicroseconds.highest, 2)})`
      : '1',
    fixed(one.serverShare, 2),
    fixed(one.foreignCores, 2),
  ]);
  const head = [
    'operation',
    'tokens',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'CPU µs',
    'PostgreSQL CPU µs',
    '× floor req/s',
    '× floor p99',
    '× floor CPU',
    'core',
    'noise',
  ];
  return `### Operations\n\nMedians of ${rounds} rounds; CPU per request; the last ratio with its lowest and highest round.\n\n${table(head, rows)}`;
}

function statementsOf({ questions, misses, hits }) {
  const rows = [
    ['not cached', misses.lookUps, misses.others, misses.inBackground],
    ['cached', hits.lookUps, hits.others, hits.inBackground],
  ];
  const head = [`${questions} verifications, one after the other`, 'look-ups', 'other statements', 'in the background'];
  return `### Statements, counted by pg_stat_statements\n\n${table(head, rows)}`;
}

function revocationOf({ revocations, lagMs, deletionMs, pollMs, loadPerSecond, ...seen }) {
  const rows = [
    [
      'acknowledged at one process → refused at the other',
      ...['p50', 'p99', 'max'].map((name) => fixed(lagMs[name], 2)),
    ],
    ['the DELETE itself', ...['p50', 'p99', 'max'].map((name) => fixed(deletionMs[name], 2))],
  ];
  return (
    `### Revocation\n\n${whole(revocations)} revocations, with ${loadPerSecond.map(whole).join(' and ')} other verifications per second at the two processes; ` +
    `the other process was asked every ${fixed(pollMs, 2)} ms.\n\n${table(['ms', 'p50', 'p99', 'max'], rows)}\n\n` +
    `Accepted at the acknowledging process when asked right after: ${seen.validAtOnceHere}. Asked at the other one after the acknowledgement and still accepted: ` +
    `${seen.validAfterwards}; later than the bound of ${seen.boundMs / 1_000} s: ${seen.validAfterTheBound}.`
  );
}

function memoryOf(memory) {
  const row = (what, { heapBytes, residentBytes }) => [what, megabytes(heapBytes), megabytes(residentBytes)];
  const rows = [
    row('verified', memory.addedByVerification),
    row(`verified again (${memory.lookUpsWhenAskedAgain} look-ups)`, memory.addedWhenAskedAgain),
    row('introspected and asked by forward-auth as well', memory.addedByIntrospectionAndForwardAuthToo),
  ];
  return `### Memory of ${whole(memory.cachedTokens)} cached tokens\n\nAdded, after a full garbage collection.\n\n${table(['what', 'heap', 'resident'], rows)}`;
}

function floodOf(floods) {
  const rows = floods.map((one) => [
    one.name,
    whole(one.unknownTokens),
    whole(one.perSecond),
    whole(one.lookUps),
    whole(one.lookUpsBound),
    megabytes(one.added.heapBytes),
    megabytes(one.added.residentBytes),
    megabytes(one.highestAddedBytes),
  ]);
  const head = [
    'unknown tokens',
    'count',
    'tokens/s',
    'database queries',
    'bound',
    'heap added',
    'resident added',
    'peak added',
  ];
  return `### Flood of unknown tokens\n\n${table(head, rows)}`;
}

export function peersOf({ machine, rounds, operations, measuredAt, versions }) {
  const rows = operations.map((one) => [
    one.name,
    whole(one.perSecond),
    fixed(one.p50Ms, 2),
    fixed(one.p99Ms, 2),
    fixed(one.cpuMicroseconds, 1),
    one.toFloor
      ? `${fixed(one.toFloor.perSecond.median, 3)} (${fixed(one.toFloor.perSecond.lowest, 3)}–${fixed(one.toFloor.perSecond.highest, 3)})`
      : '1',
  ]);
  const head = ['who', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs', '× floor req/s'];
  const of = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `### Peers\n\nMeasured at ${measuredAt.slice(0, 16).replace('T', ' ')} UTC, ${of.join(', ')}; medians of ${rounds} rounds, load average when it began ` +
    `${fixed(machine.loadAverageAtStart, 1)}.\n\n${table(head, rows)}`
  );
}

export function printReport(results) {
  console.log(`\n${sectionsOf(results).join('\n\n')}\n`);
}

export function writeReport(results) {
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
  writeDocument();
  console.log(`Written: ${RESULTS} and ${DOCUMENT}`);
}

/** Puts the figures of the files with results into the document. */
export function writeDocument() {
  const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);
  const [results, peers] = [read(RESULTS), read(PEER_RESULTS)];
  const figures = [...(results ? sectionsOf(results) : []), ...(peers ? [peersOf(peers)] : [])].join('\n\n');
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`${DOCUMENT} has lost the marks between which the figures stand.`);
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n\n${figures}\n\n${END}${after}`);
}

if (import.meta.filename === process.argv[1]) writeDocument();
