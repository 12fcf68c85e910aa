import fc from 'fast-check';
import type { Schema } from './route-documents.js';

/** Words that have broken somebody's software. */
const WORDS = [
  ...[
    '',
    ' ',
    '\t',
    '\u0000',
    'a\u0000b',
    '\ud800',
    'a\udfffb',
    '\ud83d',
    '\ufeff',
    '\u202e',
    '\u0085',
    '\u2028',
    '😀',
  ],
  ...['𝕳'.repeat(100), 'é'.repeat(100), 'x'.repeat(101), 'x'.repeat(256), 'x'.repeat(3000), '\u0301'.repeat(400)],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON', 'length', 'null', '0'],
  ...["'; drop table tokens; --", '${jndi:ldap://x}', '{{7*7}}', '%s%n', '%00', '../../etc/passwd', '<script>', '\\'],
  ...[
    '*',
    '*:read',
    'application:*',
    'platform:verify',
    'platform',
    'orders:*',
    'a:',
    ':a',
    'A',
    'write:tokens',
    'a:b:c:d',
  ],
  ...['İ', 'ſ', 'ß', '-', '--', '-a', 'a-', 'ab', 'organization', 'platform', 'owner', 'admin', 'viewer'],
  ...['2030-01-31T12:00:00Z', '2030-02-30T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:60Z'],
  ...['1970-01-01T00:00:00Z', '0000-01-01T00:00:00Z', '2030-01-01T00:00:00+99:99', '275760-09-13T00:00:00Z', '2030'],
  ...['0.0.0.0/0', '::/0', '::ffff:1.2.3.4/96', '1.2.3.4/33', 'fe80::1%eth0', '256.1.1.1', '01.02.03.04', '1.2.3.4/-1'],
  ...[
    '1.2.3.4/08',
    '::1/129',
    '1:2:3:4:5:6:7:8:9',
    '4294967296',
    '0x7f.1',
    '1e3',
    'NaN',
    'Infinity',
    'true',
    '[]',
    '{}',
  ],
];

/** Numerals, because several of them are none of the numbers that JavaScript could write. */
const NUMERALS = [
  ...[
    '0',
    '-0',
    '1',
    '-1',
    '1.5',
    '59',
    '60',
    '61',
    '100',
    '1e2',
    '1e308',
    '-1e308',
    '1e400',
    '-1e400',
    '5e-324',
    '0.1e-999',
  ],
  ...['2147483647', '2147483648', '-2147483649', '9007199254740993', '9223372036854775807', '9223372036854775808'],
  ...['3153600000', '3153600001', '123456789012345678901234567890', '1000000', '1000001', '604800', '604801'],
];

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 120 }) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map(fromUnits) },
);

function fromUnits(units: readonly number[]): string {
  return String.fromCharCode(...units);
}

/** The JSON text of any value. Text, because an object of JavaScript has no `__proto__` twice, and no member `1e400`. */
const { tame } = fc.letrec<{ tame: string }>((tie) => ({
  tame: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 2, arbitrary: fc.constantFrom('null', 'true', 'false') },
    { weight: 3, arbitrary: fc.constantFrom(...NUMERALS) },
    { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
    { weight: 6, arbitrary: text.map((value) => JSON.stringify(value)) },
    { weight: 2, arbitrary: fc.array(tie('tame'), { maxLength: 5 }).map(listOf) },
    { weight: 2, arbitrary: fc.array(fc.tuple(text, tie('tame')), { maxLength: 5 }).map(objectOf) },
  ),
}));

const json = fc.oneof({ weight: 150, arbitrary: tame }, { weight: 1, arbitrary: fc.constantFrom(...monsters()) });

/** Values that are large or deep; each is rare, and all of them fit into the largest body. */
function monsters(): string[] {
  const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);
  return [
    ...[9, 100, 5_000, 100_000].map((depth) => nested(depth, '[', ']')),
    ...[9, 100, 20_000].map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
    JSON.stringify('x'.repeat(100_000)),
    listOf(Array.from({ length: 1_000 }, (_, index) => `"scope${index}"`)),
    listOf(Array.from({ length: 300 }, () => '"10.0.0.0/8"')),
    objectOf(Array.from({ length: 1_000 }, (_, index) => [`key${index}`, '"value"'])),
    objectOf([['length', '4294967295']]),
    objectOf([['__proto__', objectOf([['polluted', 'true']])]]),
    objectOf([['constructor', objectOf([['prototype', objectOf([['polluted', 'true']])]])]]),
  ];
}

function listOf(items: readonly string[]): string {
  return `[${items.join(',')}]`;
}

function objectOf(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}

/** Values that a schema allows, or nearly: its own example, and what lies on both sides of its limits. */
function near(schema: Schema): fc.Arbitrary<string> {
  const example = fc.constant(JSON.stringify(schema.example ?? null));
  if ([schema.type].flat().includes('integer')) {
    const limits = [schema.minimum ?? 0, schema.maximum ?? 2 ** 31].flatMap((limit) => [limit - 1, limit, limit + 1]);
    return fc.oneof(example, fc.constantFrom(...limits.map(String)));
  }
  if (schema.type === 'array') return fc.oneof(example, fc.array(json, { maxLength: 4 }).map(listOf));
  if (schema.type === 'object')
    return fc.oneof(example, fc.array(fc.tuple(text, json), { maxLength: 4 }).map(objectOf));
  const lengths = [schema.minLength ?? 1, schema.maxLength ?? 50].flatMap((length) => [length - 1, length, length + 1]);
  const words = fc.constantFrom(...lengths.filter((length) => length >= 0).map((length) => 'a'.repeat(length)));
  const unique = fc.stringMatching(/^[a-z][a-z0-9]{8}$/); // so that some things can be made at all
  return fc.oneof(example, words, unique).map((value) => (value.startsWith('"') ? value : JSON.stringify(value)));
}

/** Bodies over a schema and beside it. */
export function bodies(schema: Schema): fc.Arbitrary<string> {
  const properties = Object.entries(schema.properties ?? {});
  const members = properties.map(([name, property]) =>
    fc.oneof(
      { weight: 5, arbitrary: near(property).map((value): [string, string][] => [[name, value]]) },
      { weight: 2, arbitrary: json.map((value): [string, string][] => [[name, value]]) },
      { weight: 3, arbitrary: fc.constant<[string, string][]>([]) },
      { weight: 1, arbitrary: fc.tuple(json, json).map((both): [string, string][] => both.map((one) => [name, one])) },
    ),
  );
  const further = fc.array(fc.tuple(text, json), { maxLength: 1 });
  const over = fc.tuple(...members, fc.oneof(fc.constant([]), further)).map((parts) => objectOf(parts.flat()));
  const cut = fc.tuple(over, fc.double({ min: 0, max: 1, noNaN: true }));
  return fc.oneof(
    { weight: 8, arbitrary: over },
    { weight: 2, arbitrary: fc.array(fc.tuple(text, json), { maxLength: 6 }).map(objectOf) },
    { weight: 1, arbitrary: json },
    { weight: 1, arbitrary: cut.map(([whole, part]) => whole.slice(0, Math.floor(whole.length * part))) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', ' ', '\ufeff{}', '{}{}', 'NaN', "{'a':1}", '{"a":1,}', '// x\n{}', '"', '\u0000'),
    },
  );
}

/** A value of a path parameter or a query, percent-encoded so that the URL itself is well formed. */
export const encodedText: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 3, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom(...NUMERALS) },
    { weight: 1, arbitrary: fc.uuid() },
    { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9-]{2,100}$/) },
  )
  .map((value) => encodeURIComponent(value.toWellFormed()).replace(/\./g, '%2E'));

/** A query of some known names and some others, repeated and bracketed ones among them. */
export function queries(names: readonly string[]): fc.Arbitrary<string> {
  const known = names.length > 0 ? fc.constantFrom(...names) : fc.constant('limit');
  const decorated = fc.tuple(known, fc.constantFrom('', '', '', '[]', '[a]', '[__proto__]', '%5B0%5D'));
  const name = fc.oneof(
    { weight: 5, arbitrary: decorated.map((parts) => parts.join('')) },
    { weight: 1, arbitrary: encodedText },
  );
  return fc
    .array(fc.tuple(name, fc.oneof(encodedText, fc.constantFrom('1', '200', '201', ''))), { maxLength: 4 })
    .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
}
