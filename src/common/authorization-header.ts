/**
 * Whether a request has several Authorization headers. Node keeps the first of them, a proxy in front or a service behind
 * may go by another one: nobody can say which of them was judged, so neither is believed.
 */
export function hasSeveralAuthorizations(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 13 && name.toLowerCase() === 'authorization') count++;
  }
  return count > 1;
}
