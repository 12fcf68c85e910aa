// Secrets that are the same in each run and in each process of it: the seeding stores their digests, the load generator sends them.
import { createHmac, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The key that all digests of the benchmark are made with. Of no use elsewhere. */
const PEPPER = Buffer.from(hash('sha256', 'the pepper of the benchmark', 'hex'), 'hex');
export const PEPPER_ID = 'bench';
export const PEPPER_SETTING = `${PEPPER_ID}:${PEPPER.toString('base64')}`;

/**
 * A well-formed secret, as src/tokens/token-secret.ts has it; the benchmark checks that the service thinks so too.
 * @param {'s' | 'o'} kind of a service account, of an organization
 * @param {string} name which one
 */
export function secretNamed(kind, name) {
  const bytes = Buffer.from(hash('sha512', name, 'hex'), 'hex');
  let body = `kw${kind}_`;
  for (let place = 0; place < 43; place++) body += ALPHABET[bytes[place] % 62];
  let checksum = '';
  for (let place = 0, rest = crc32(body); place < 6; place++, rest = Math.floor(rest / 62)) {
    checksum = ALPHABET[rest % 62] + checksum;
  }
  return body + checksum;
}

/** The microservice that asks: a token of the platform, which may ask about every tenant's. */
export const ASKER_SECRET = secretNamed('s', 'asker');
/** The tokens that are asked about, by number. */
export const tokenSecret = (number) => secretNamed('s', `token ${number}`);
/** Tokens that do not exist. */
export const unknownSecret = (number) => secretNamed('s', `unknown ${number}`);
/** The administrator of an organization. */
export const administratorSecret = (organization) => secretNamed('o', `administrator ${organization}`);

export function digestOf(secret) {
  return createHmac('sha256', PEPPER).update(secret).digest();
}
