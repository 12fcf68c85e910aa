import { secretPattern } from '../tokens/token-secret.js';

/** Members whose values never are written, wherever a logged object holds them directly or one level down. */
export const REDACTED_MEMBERS = [
  'authorization',
  'token',
  'secret',
  'password',
  'pepper',
  'cookie',
  'digest',
  'parameters',
  'jwt',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

const JWT_PATTERN = /eyJ[\w-]{5,}\.[\w-]*\.[\w-]*/g;
/** User and password in a URL, such as that of a database. */
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/g;

/**
 * Takes secrets out of a finished log line: the last gate, whatever way a secret took into a message, an error or its stack.
 */
export function redactor(tokenPrefix: string): (line: string) => string {
  const secrets = secretPattern(tokenPrefix);
  return (line) =>
    line.replace(secrets, '[token]').replace(JWT_PATTERN, '[jwt]').replace(URL_CREDENTIALS, '$1[credentials]@');
}
