import pg from 'pg';

const { builtins, getTypeParser } = pg.types;
const TEXT_ARRAY = 1009;

/** `2030-01-31 12:00:00.123+00`, as PostgreSQL writes a moment in a session whose time zone is UTC. */
const UTC_MOMENT = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,3})?\+00$/;

/** The values that lists are full of, read in the form in which they nearly always come; all others go the library's way. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [builtins.TIMESTAMPTZ]: (text) =>
    UTC_MOMENT.test(text)
      ? new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)
      : (getTypeParser(builtins.TIMESTAMPTZ) as (value: string) => unknown)(text),
  [TEXT_ARRAY]: (text) => {
    if (text === '{}') return [];
    // With bounds in front, or quoted where an element holds a comma, a brace, a space or a quote, or is NULL in so many letters.
    if (/^[^{]|["\\]|^\{\{|NULL/i.test(text))
      return (getTypeParser(TEXT_ARRAY as never) as (value: string) => unknown)(text);
    return text.slice(1, -1).split(',');
  },
};

/** For the `types` of a connection. */
export const TYPE_PARSERS = {
  getTypeParser: (oid: number, format?: string): unknown =>
    (format === 'binary' ? undefined : PARSERS[oid]) ?? getTypeParser(oid, format as 'text'),
};
