import { parseJsonBody } from '../../common/json-body.js';
import { Refusal } from '../../errors/refusal.js';
import { type ArgumentPath, invalidArgument, missingArgument } from './argument-refusal.js';
import { type Arguments, parseQuery } from './query.js';

/** One way to find a thing. */
export interface Lookup<Key extends string> {
  readonly key: Key;
  readonly value: string;
}

export interface AnnotationArgument {
  readonly key: string;
  readonly value: string;
}

/** What a token shall be like: what is absent was not sent. */
export interface PropertiesArgument {
  readonly name?: string | null;
  readonly authorizedIpAddresses?: readonly string[];
  /** Seconds since 1970. */
  readonly expiresAt?: number | null;
  readonly scopes?: readonly string[];
}

export type OrganizationLookup = Lookup<'id' | 'sub_domain'>;

/** Names in a path that stand for no thing themselves. */
const PLACEHOLDERS = ['organization', 'api_token'] as const;
const PAGE_SIZE_DEFAULT = 30;
const PAGE_SIZE_MAX = 200;
/** A list that is looked for by more of them would take the database longer to plan than to read. */
const FILTERS_MAX = 10;

/** What a request consists of, as it was received. */
export interface SentRequest {
  readonly url: string;
  readonly pathParameters: Readonly<Record<string, string | undefined>>;
  /** Text of the body; undefined: there is none. */
  readonly body: string | undefined;
}

/**
 * The arguments of a request: those of the body go before those of the query, each as a whole, and a real id in the path
 * fills in for an argument that neither has. @throws Refusal request.malformed_json
 */
export function argumentsOf({ url, pathParameters, body }: SentRequest): Arguments {
  const start = url.indexOf('?');
  const inBody = body === undefined ? {} : jsonObject(body);
  const inQuery = start < 0 ? {} : parseQuery(url.slice(start + 1));
  const sent = Object.assign(Object.create(null) as Record<string, unknown>, inQuery, inBody);
  for (const name of PLACEHOLDERS) {
    const id = pathParameters[name];
    if (id !== undefined && id !== name && id !== '_' && isAbsent(sent[name])) sent[name] = { id };
  }
  return sent;
}

function jsonObject(text: string): object {
  const value = parseJsonBody(text);
  if (!isObject(value)) throw new Refusal('request.malformed_json', 'The body is no JSON object.');
  return value;
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is Arguments {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own member of an object: `constructor` and its like must not find what every object has. */
function memberOf(object: Arguments, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A single piece of text that PostgreSQL can store and compare. */
function readText(path: ArgumentPath, value: unknown, index?: number): string {
  if (typeof value !== 'string' || value.includes('\u0000') || !value.isWellFormed())
    throw invalidArgument(path, 'invalid_scalar', { index });
  return value;
}

/** A whole number, which is text in a query. */
function readInteger(path: ArgumentPath, value: unknown): number {
  if (typeof value !== 'string' && typeof value !== 'number') throw invalidArgument(path, 'invalid_scalar');
  const number = typeof value === 'number' || /^-?\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw invalidArgument(path, 'parse_error');
  return number;
}

function readList<T>(path: ArgumentPath, value: unknown, readItem: (item: unknown, index: number) => T): T[] {
  if (!Array.isArray(value)) throw invalidArgument(path, 'array_expected');
  return value.map(readItem);
}

function readTexts(path: ArgumentPath, value: unknown): string[] {
  return readList(path, value, (item, index) => readText(path, item, index));
}

/** How a thing shall be found; undefined where it is not named at all. */
function readLookup<Key extends string>(sent: Arguments, name: string, keys: readonly Key[]): Lookup<Key> | undefined {
  const value = memberOf(sent, name);
  if (isAbsent(value)) return undefined;
  if (!isObject(value)) throw invalidArgument([name], 'object_expected');
  const [key, ...others] = keys.filter((each) => !isAbsent(memberOf(value, each)));
  if (key === undefined) throw invalidArgument([name], 'missing_lookup_value');
  if (others.length > 0) throw invalidArgument([name], 'ambiguous_lookup_values');
  return { key, value: readText([name, key], memberOf(value, key)) };
}

/** The organization that a request names, which it need not where it only reads: then the one of the caller is meant. */
export function readOrganization(sent: Arguments): OrganizationLookup | undefined {
  return readLookup(sent, 'organization', ['id', 'sub_domain']);
}

/** The organization that something is made in, which has to be named. */
export function requireOrganization(sent: Arguments): OrganizationLookup {
  const lookup = readOrganization(sent);
  if (lookup === undefined) throw missingArgument(['organization']);
  return lookup;
}

/** The id of the token that a request is about. */
export function requireToken(sent: Arguments): string {
  const lookup = readLookup(sent, 'api_token', ['id']);
  if (lookup === undefined) throw missingArgument(['api_token']);
  return lookup.value;
}

export function requireProperties(sent: Arguments): PropertiesArgument {
  const properties = memberOf(sent, 'properties');
  if (isAbsent(properties)) throw missingArgument(['properties']);
  if (!isObject(properties)) throw invalidArgument(['properties'], 'object_expected');
  const read = <T>(name: string, reader: (path: ArgumentPath, value: unknown) => T): T | undefined => {
    const value = memberOf(properties, name);
    return value === undefined ? undefined : reader(['properties', name], value);
  };
  return {
    name: read('name', orNull(readText)),
    authorizedIpAddresses: read('authorized_ip_addresses', readTexts),
    expiresAt: read('expires_at', orNull(readInteger)),
    scopes: read('scopes', readTexts),
  };
}

function orNull<T>(reader: (path: ArgumentPath, value: unknown) => T) {
  return (path: ArgumentPath, value: unknown): T | null => (value === null ? null : reader(path, value));
}

/** The annotations that a request names; undefined where there are none, which leaves those of a token as they are. */
export function readAnnotations(sent: Arguments): AnnotationArgument[] | undefined {
  const annotations = memberOf(sent, 'annotations');
  if (isAbsent(annotations)) return undefined;
  return readList(['annotations'], annotations, (item, index) => {
    if (!isObject(item)) throw invalidArgument(['annotations'], 'object_expected', { index });
    const read = (name: 'key' | 'value'): string => {
      const value = memberOf(item, name);
      if (isAbsent(value)) throw missingArgument(['annotations', name]);
      return readText(['annotations', name], value, index);
    };
    return { key: read('key'), value: read('value') };
  });
}

/** The annotations that the tokens of a list shall have, each named once. */
export function readFilter(sent: Arguments): (readonly [key: string, value: string])[] {
  const pairs = (readAnnotations(sent) ?? []).map(({ key, value }): [string, string] => [key, value]);
  const filter = [...new Map(pairs.map((pair) => [JSON.stringify(pair), pair])).values()];
  if (filter.length > FILTERS_MAX)
    throw invalidArgument(['annotations'], 'validation_errors', { errors: ['too_many_items'] });
  return filter;
}

/** The page that a request asks for. */
export function readPage(sent: Arguments): { page: number; perPage: number } {
  const read = (name: string, preset: number): number => {
    const value = memberOf(sent, name);
    const number = isAbsent(value) ? preset : readInteger([name], value);
    if (number < 1) throw invalidArgument([name], 'validation_errors', { errors: ['greater_than_zero'] });
    return number;
  };
  const page = read('page', 1);
  const perPage = read('per_page', PAGE_SIZE_DEFAULT);
  if (perPage > PAGE_SIZE_MAX)
    throw invalidArgument(['per_page'], 'validation_errors', { errors: ['less_than_or_equal_to_two_hundred'] });
  return { page, perPage };
}
