import type { ColumnOptions, ValueTransformer } from 'typeorm';

const WHOLE_NUMBER: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: string | null) => (value === null ? null : Number(value)),
};

/** A bigint that counts rows: it stays far below 2^53, so a JavaScript number holds it exactly. */
export const BIGINT_NUMBER: ColumnOptions = { type: 'bigint', transformer: WHOLE_NUMBER, insert: false, update: false };

/** A moment with the precision of a JavaScript Date, so that what was written is read back the same. */
export const MOMENT: ColumnOptions = { type: 'timestamptz', precision: 3 };
export const OPTIONAL_MOMENT: ColumnOptions = { type: 'timestamptz', precision: 3, nullable: true };

/** A range as it is written everywhere but in PostgreSQL, which gives single addresses a suffix that nobody sent. */
export function shortRange(range: string): string {
  return range.replace(range.includes(':') ? /\/128$/ : /\/32$/, '');
}

/** `cidr[]`. */
export const ADDRESS_RANGES: ColumnOptions = {
  type: 'cidr',
  array: true,
  transformer: {
    to: (value: unknown) => value,
    from: (ranges: string[] | null) => (ranges ?? []).map(shortRange),
  },
};
