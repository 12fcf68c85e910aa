/** How one environment variable is read: its text becomes a value, or the sentence that tells the operator what to set. */
export interface Setting<T> {
  readonly about: string;
  readonly example: string;
  /** Throws an Error whose message completes "<NAME> …". */
  readonly parse: (text: string) => T;
  readonly fallback: T;
}

export function integer(fallback: number, minimum: number, maximum: number, about: string): Setting<number> {
  return {
    about,
    example: String(fallback),
    fallback,
    parse: (digits) => {
      const value = Number(digits);
      if (!/^\d+$/.test(digits) || value < minimum || value > maximum) {
        throw new Error(`must be a whole number from ${minimum} to ${maximum}`);
      }
      return value;
    },
  };
}

export function text(fallback: string, about: string, pattern = /^.{0,2048}$/s, rule = 'is too long'): Setting<string> {
  return {
    about,
    example: fallback,
    fallback,
    parse: (value) => {
      if (!pattern.test(value)) throw new Error(rule);
      return value;
    },
  };
}

export function flag(fallback: boolean, about: string): Setting<boolean> {
  return {
    about,
    example: String(fallback),
    fallback,
    parse: (value) => {
      if (value !== 'true' && value !== 'false') throw new Error('must be true or false');
      return value === 'true';
    },
  };
}

export function oneOf<T extends string>(values: readonly T[], fallback: T, about: string): Setting<T> {
  return {
    about,
    example: fallback,
    fallback,
    parse: (value) => {
      const found = values.find((candidate) => candidate === value);
      if (found === undefined) throw new Error(`must be one of ${values.join(', ')}`);
      return found;
    },
  };
}

export function list(
  about: string,
  itemPattern = /^.{1,512}$/s,
  rule = 'has an item that is not accepted',
): Setting<readonly string[]> {
  return {
    about,
    example: '',
    fallback: [],
    parse: (value) => {
      const items = value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
      if (items.some((item) => !itemPattern.test(item))) throw new Error(rule);
      return [...new Set(items)];
    },
  };
}
