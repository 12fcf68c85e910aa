import pg from 'pg';

const { builtins, getTypeParser } = pg.types;
const TEXT_ARRAY = 1009;

/**
 * Whether a moment is of the form `2030-01-31 12:00:00.123+00`, with or without a fraction, as PostgreSQL writes it in a
 * session whose time zone is UTC. Other years have more digits or an era, and infinity has no space.
 */
function isUtcMoment(text: string): boolean {
  return text.charCodeAt(10) === SPACE && text.length <= 26 && text.endsWith('+00');
}

const SPACE = 0x20;

/*
 * Values that lists are full of, read in the form in which they nearly always come; all others go the library's way.
 */

export function momentOf(text: string): Date {
  return isUtcMoment(text)
    ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
    : (getTypeParser(builtins.TIMESTAMPTZ) as (value: string) => Date)(text);
}

/** The moment that PostgreSQL wrote as `Date.toISOString` writes it; between four-digit years such texts compare as their moments do. */
export function isoMomentOf(text: string): string {
  if (!isUtcMoment(text)) return momentOf(text).toISOString();
  const seconds = `${text.slice(0, 10)}T${text.slice(11, 19)}`;
  switch (text.length) {
    case 26:
      return `${seconds}${text.slice(19, 23)}Z`;
    case 25:
      return `${seconds}${text.slice(19, 22)}0Z`;
    case 24:
      return `${seconds}${text.slice(19, 21)}00Z`;
    default:
      return `${seconds}.000Z`;
  }
}

export function textArrayOf(text: string): string[] {
  if (text === '{}') return [];
  // With bounds in front, or quoted where an element holds a comma, a brace, a space or a quote, or is NULL in so many letters.
  if (/^[^{]|["\\]|^\{\{|NULL/i.test(text))
    return (getTypeParser(TEXT_ARRAY as never) as (value: string) => string[])(text);
  return text.slice(1, -1).split(',');
}

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [builtins.TIMESTAMPTZ]: momentOf,
  [TEXT_ARRAY]: textArrayOf,
};

/** For the `types` of a connection. */
export const TYPE_PARSERS = {
  getTypeParser: (oid: number, format?: string): unknown =>
    (format === 'binary' ? undefined : PARSERS[oid]) ?? getTypeParser(oid, format as 'text'),
};
