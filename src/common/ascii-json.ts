/**
 * JSON whose characters are one byte each, all others escaped (RFC 8259 §7): its length is its Content-Length, and it is
 * written without being encoded.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
