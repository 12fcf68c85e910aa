/** JWTs, and what has the form of a token: `<prefix><kind>_` and 49 base62 characters. */
const SECRET_SHAPE = /eyJ[\w-]{5,}\.[\w-]+\.|[a-z][a-z0-9]{1,10}_[0-9A-Za-z]{49}/;

/** Whether a text holds what has the form of a secret. Such a text is not kept where everybody can read it. */
export function holdsSecret(text: string): boolean {
  return text.length >= 20 && SECRET_SHAPE.test(text);
}
