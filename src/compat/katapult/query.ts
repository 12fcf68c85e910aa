import qs from 'qs';
import { invalidArgument } from './argument-refusal.js';

/** Arguments by their names. It has no prototype, and neither has anything that a query puts into it. */
export type Arguments = Readonly<Record<string, unknown>>;

const QUERY_CHARACTERS_MAX = 16_384;
const PAIRS_MAX = 500;
const DEPTH_MAX = 4;

/** A list of objects whose members come without the number of their object. */
const NUMBERLESS_ANNOTATION = /^annotations\[\]\[(key|value)\]$/;

/**
 * The arguments in the query of a URL, nested by brackets (`organization[id]=…`), which may be percent-encoded. Nothing
 * throws but a refusal: what is too deep stays text in a name that nobody reads, and what is too much is refused, for an
 * annotation that was cut off without a word would make a list longer.
 */
export function parseQuery(query: string): Arguments {
  if (query.length > QUERY_CHARACTERS_MAX) throw tooLarge();
  const pairs = query.split('&');
  if (pairs.length > PAIRS_MAX) throw tooLarge();
  return qs.parse(numbered(pairs).join('&'), {
    plainObjects: true,
    depth: DEPTH_MAX,
    parameterLimit: PAIRS_MAX,
    arrayLimit: PAIRS_MAX,
  });
}

function tooLarge(): Error {
  return invalidArgument(['query'], 'validation_errors', { errors: ['too_large'] });
}

/**
 * Numbers the elements of `annotations[]`, which qs would collapse into one. The n-th key belongs to the n-th value, which
 * is so whether the pairs come interleaved (key, value, key, value) or as parallel lists (key, key, value, value).
 */
function numbered(pairs: readonly string[]): string[] {
  const counts = { key: 0, value: 0 };
  return pairs.map((pair) => {
    const [encoded = ''] = pair.split('=', 1);
    const [, member] = NUMBERLESS_ANNOTATION.exec(decoded(encoded)) ?? [];
    if (member !== 'key' && member !== 'value') return pair;
    return `annotations[${counts[member]++}][${member}]${pair.slice(encoded.length)}`;
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // as qs does
  }
}
