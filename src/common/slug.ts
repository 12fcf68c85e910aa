import { randomBytes } from 'node:crypto';

export const SLUG_PATTERN = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/;
export const SLUG_LENGTH_MIN = 2;
export const SLUG_LENGTH_MAX = 100;

/** Letters that Unicode decomposition does not take apart. */
const LETTERS: Readonly<Record<string, string>> = {
  æ: 'ae',
  ð: 'd',
  đ: 'd',
  ı: 'i',
  ł: 'l',
  ø: 'o',
  œ: 'oe',
  ß: 'ss',
  þ: 'th',
};

export function isSlug(text: string): boolean {
  return text.length >= SLUG_LENGTH_MIN && text.length <= SLUG_LENGTH_MAX && SLUG_PATTERN.test(text);
}

/**
 * The slug of a name: lower case, accents stripped, apostrophes dropped, other runs become `-`, trimmed.
 * A name that leaves fewer than two characters gets a slug of its own making.
 */
export function slugify(name: string): string {
  const slug = name
    .toLowerCase()
    .replace(/[æðđıłøœßþ]/g, (letter) => LETTERS[letter] ?? '')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/['’ʼ`´]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH_MAX)
    .replace(/^-+|-+$/g, '');
  return slug.length >= SLUG_LENGTH_MIN ? slug : withSuffix(slug || 'x');
}

/** The same slug made unlike others by `-` and 6 hex characters, within the greatest length. */
export function withSuffix(slug: string): string {
  return `${slug.slice(0, SLUG_LENGTH_MAX - 7).replace(/-+$/, '')}-${randomBytes(3).toString('hex')}`;
}
