import { applyDecorators } from '@nestjs/common';
import { IsOptional, Matches, MaxLength, MinLength, registerDecorator, ValidateBy, ValidateIf } from 'class-validator';
import { parseAddressRange } from './ip-address.js';
import { SLUG_LENGTH_MAX, SLUG_LENGTH_MIN, SLUG_PATTERN } from './slug.js';

/** May be left out, and then keeps what it was; unlike IsOptional it does not take null. */
export function MayBeAbsent(): PropertyDecorator {
  return ValidateIf((_, value) => value !== undefined);
}

/** May be left out (unchanged) or null (cleared). */
export function MayBeCleared(): PropertyDecorator {
  return IsOptional();
}

/** A name for people: 1 to `lengthMax` characters, not only white space, without control characters. */
export function IsDisplayText(lengthMax: number): PropertyDecorator {
  return ValidateBy({
    name: 'isDisplayText',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && value.trim() !== '' && [...value].length <= lengthMax && !/\p{Cc}/u.test(value),
      defaultMessage: () =>
        `must be text of 1 to ${lengthMax} characters, not only spaces and without control characters`,
    },
  });
}

export function IsSlug(): PropertyDecorator {
  return applyDecorators(
    Matches(SLUG_PATTERN, {
      message: 'must be lower-case letters, digits and hyphens, beginning and ending with a letter or digit',
    }),
    MinLength(SLUG_LENGTH_MIN, { message: `must have at least ${SLUG_LENGTH_MIN} characters` }),
    MaxLength(SLUG_LENGTH_MAX, { message: `must have at most ${SLUG_LENGTH_MAX} characters` }),
  );
}

/** Years have four digits in every text that we write: RFC 3339 knows no others, and moments are compared as texts. */
const LAST_MOMENT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** RFC 3339 with up to nine fractional digits; the lower-case t and z that it permits, and the calendar checked. */
const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;

/** The moment that an RFC 3339 date-time names, with millisecond precision; undefined for anything else. */
export function parseRfc3339(text: unknown): Date | undefined {
  const match = typeof text === 'string' ? RFC_3339.exec(text) : null;
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = match;
  const offset = zone.toUpperCase() === 'Z' ? 'Z' : zone;
  const moment = new Date(
    `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}${offset}`,
  );
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  const isReal =
    moment.getTime() <= LAST_MOMENT && Number(day) <= daysInMonth && Number(hour) < 24 && Number(year) >= 1970;
  return isReal ? moment : undefined;
}

export function IsRfc3339(): PropertyDecorator {
  return ValidateBy({
    name: 'isRfc3339',
    validator: {
      validate: (value: unknown) => parseRfc3339(value) !== undefined,
      defaultMessage: () => 'must be a date and time such as 2030-01-31T12:00:00Z (RFC 3339)',
    },
  });
}

/**
 * A list of at most `countMax` items, each judged by `problemOf`, which answers what is wrong with an item or undefined.
 * Each offender is reported at its own index.
 */
export function EachItem(countMax: number, problemOf: (item: unknown) => string | undefined): PropertyDecorator {
  return (target, property) => {
    const judge = (value: unknown): string[] => {
      if (!Array.isArray(value)) return ['must be a list'];
      if (value.length > countMax) return [`must have at most ${countMax} items`];
      return value.flatMap((item, index) => {
        const problem = problemOf(item);
        return problem === undefined ? [] : [`[${index}] ${problem}`];
      });
    };
    registerDecorator({
      name: 'eachItem',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: (value: unknown) => judge(value).length === 0,
        defaultMessage: (args) => judge(args?.value).join('\n'),
      },
    });
  };
}

export function AreAddressRanges(countMax: number): PropertyDecorator {
  return EachItem(countMax, (item) => {
    const parsed = typeof item === 'string' ? parseAddressRange(item) : { problem: 'must be text' };
    return 'problem' in parsed ? parsed.problem : undefined;
  });
}

/** An object of at most `countMax` members whose names and values are short text. */
export function IsAnnotations(countMax: number): PropertyDecorator {
  return ValidateBy({
    name: 'isAnnotations',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.keys(value).length <= countMax &&
        Object.entries(value).every(
          ([key, text]) => ANNOTATION_KEY.test(key) && typeof text === 'string' && [...text].length <= 255,
        ),
      defaultMessage: () =>
        `must be an object of at most ${countMax} members whose names have 1 to 64 letters, digits or ._/:- and whose values are text of at most 255 characters`,
    },
  });
}

export const ANNOTATION_KEY = /^[A-Za-z0-9._/:-]{1,64}$/;
