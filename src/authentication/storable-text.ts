/** Control characters and lone surrogates: PostgreSQL stores no NUL, its JSON no half of a character, and the others forge log lines. */
const UNSTORABLE = /[\p{Cc}\p{Cs}]/u;
const EVERY_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');

/** Whether a claim is a string of 1 to `lengthMax` characters that the database takes as it is. */
export function isStorableText(value: unknown, lengthMax: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= lengthMax && !UNSTORABLE.test(value);
}

/** The text without what cannot be stored, cut to `lengthMax` code points: half of a surrogate pair would be unstorable again. */
export function toStorableText(text: string, lengthMax: number): string {
  return [...text.replace(EVERY_UNSTORABLE, '').trim()].slice(0, lengthMax).join('');
}
