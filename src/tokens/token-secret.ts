import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The form of our secrets: `<prefix><kind>_`, 43 base62 characters (256 random bits), then 6 base62 characters of the
 * CRC-32 of everything before. Double-click selects one whole, scanners find it by pattern, and a mistyped or made-up one is
 * refused before any hash or query.
 */
export type SecretKind = 's' | 'o' | 'p';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** What follows the kind: `_`, the random part and the checksum. */
const TAIL_LENGTH = 1 + RANDOM_LENGTH + CHECKSUM_LENGTH;

/** Longest text that is looked at as a secret, ours or imported. */
export const SECRET_LENGTH_MAX = 255;

/** 256 random bits as base62 digits, the most significant first; 62^43 exceeds 2^256, so none of them is lost. */
function randomPart(): string {
  let digits = '';
  let rest = BigInt(`0x${randomBytes(32).toString('hex')}`);
  for (let place = 0; place < RANDOM_LENGTH; place++, rest /= 62n)
    digits = ALPHABET.charAt(Number(rest % 62n)) + digits;
  return digits;
}

/** The CRC-32 as base62 digits, the most significant first. */
function checksum(text: string): string {
  let digits = '';
  let rest = crc32(text);
  for (let place = 0; place < CHECKSUM_LENGTH; place++, rest = Math.floor(rest / 62))
    digits = ALPHABET.charAt(rest % 62) + digits;
  return digits;
}

/** Makes a secret. */
export function generateSecret(prefix: string, kind: SecretKind): string {
  const body = `${prefix}${kind}_${randomPart()}`;
  return body + checksum(body);
}

/** `ours`: well formed, with a good checksum. `malformed`: claims to be ours and is not. `foreign`: may have been imported. */
export type SecretForm = 'ours' | 'malformed' | 'foreign';

/** Judges a text by its form alone, in constant memory and without hashing. */
export function formOf(prefix: string, text: string): SecretForm {
  if (text.length === 0 || text.length > SECRET_LENGTH_MAX) return 'malformed';
  const kindAt = prefix.length;
  const isClaimed =
    text.startsWith(prefix) && text.charCodeAt(kindAt + 1) === 95 /* '_' */ && 'sop'.includes(text.charAt(kindAt));
  if (!isClaimed) return 'foreign';
  if (text.length !== kindAt + 1 + TAIL_LENGTH) return 'malformed';
  const split = text.length - CHECKSUM_LENGTH;
  return checksum(text.slice(0, split)) === text.slice(split) ? 'ours' : 'malformed';
}

/** A pattern that finds our secrets in text; secret scanners can be given it, and the log uses it. */
export function secretPattern(prefix: string): RegExp {
  return new RegExp(`${prefix}[sop]_[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}`, 'g');
}
