import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validate, type ValidationError } from 'class-validator';
import { invalidAt, Refusal, type RefusalDetail } from '../errors/refusal.js';
import { holdsSecret } from './secret-shape.js';
import { isSlug } from './slug.js';

const LOCATIONS = { body: 'body', query: 'query', param: 'path', custom: '' } as const;
const ERRORS_MAX = 50;
const NESTING_MAX = 8;

/** Names of members that a client may send back as it received them; they are dropped before validation. */
const READ_ONLY_MEMBERS = Symbol('read-only members');

export function IgnoresMembers(...names: string[]): ClassDecorator {
  return (target) => Reflect.defineMetadata(READ_ONLY_MEMBERS, new Set(names), target);
}

const OPEN_BODY = Symbol('open body');

/** A body whose unknown members are dropped before anything of it is looked at, where a dialect promises to ignore them. */
export function IgnoresUnknownMembers(): ClassDecorator {
  return (target) => Reflect.defineMetadata(OPEN_BODY, true, target);
}

const OPTIONAL_BODY = Symbol('optional body');

/** A body that may be left out altogether; an empty object then stands for it. */
export function MayBeLeftOut(): ClassDecorator {
  return (target) => Reflect.defineMetadata(OPTIONAL_BODY, true, target);
}

/**
 * Validates what a handler takes. A body or a query becomes an instance of its class, in which only declared members
 * are accepted; a path parameter must be what its name says, or a number where the handler takes one. Whatever breaks a
 * rule is a 422 that names each place.
 */
@Injectable()
export class RequestPipe implements PipeTransform {
  async transform(sent: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { metatype } = metadata;
    if (metadata.type === 'param') {
      const name = metadata.data ?? '';
      return metatype === Number ? requireNumber(name, sent) : requirePathParameter(name, sent);
    }
    if (metadata.type === 'custom' || metatype === undefined || PRIMITIVES.has(metatype)) return sent;

    const location = LOCATIONS[metadata.type];
    const value = sent === undefined && Reflect.hasMetadata(OPTIONAL_BODY, metatype) ? {} : sent;
    if (metadata.type === 'body' && value === undefined) throw new Refusal('request.body_missing');
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalidAt(location, 'must be an object', value);

    const offered = Object.fromEntries(Object.entries(value).filter(memberFilter(metatype)));
    refuseUnstorableText(offered, location);
    const instance = plainToInstance(metatype as Type<object>, offered, { exposeUnsetFields: false });
    const errors = await validate(instance, {
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      skipUndefinedProperties: false,
      stopAtFirstError: true,
    });
    if (errors.length > 0) {
      const details = errors.flatMap((error) => toDetails(error, location)).slice(0, ERRORS_MAX);
      throw new Refusal('request.invalid', summarize(details), { errors: details });
    }
    return Object.assign(
      Object.create(Object.getPrototypeOf(instance) as object) as object,
      withoutUndefined(instance),
    );
  }
}

/** Which members of a body are looked at. */
function memberFilter(metatype: Type<unknown>): (member: [name: string, value: unknown]) => boolean {
  if (Reflect.hasMetadata(OPEN_BODY, metatype)) {
    const rules = getMetadataStorage().getTargetValidationMetadatas(metatype, '', false, false);
    const declared = new Set(rules.map(({ propertyName }) => propertyName));
    return ([name]) => declared.has(name);
  }
  const ignored = Reflect.getMetadata(READ_ONLY_MEMBERS, metatype) as ReadonlySet<string> | undefined;
  return ([name]) => !ignored?.has(name);
}

/** A declared member that was not sent is not there, so that "unchanged" can be told from a value. */
function withoutUndefined(instance: object): object {
  return Object.fromEntries(Object.entries(instance).filter(([, value]) => value !== undefined));
}

const PRIMITIVES: ReadonlySet<unknown> = new Set([String, Boolean, Number, Array, Object]);

function summarize(details: readonly RefusalDetail[]): string {
  const [first] = details;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : '';
  return first ? `${first.location} ${first.message}${more}.` : 'The request breaks a rule.';
}

/** An `EachItem` rule reports each offending item on a line of its own, as `[index] message`. */
const ITEM_MESSAGE = /^\[(\d+)\] (.*)$/;

function toDetails(error: ValidationError, parent: string): RefusalDetail[] {
  const location = /^\d+$/.test(error.property) ? `${parent}[${error.property}]` : `${parent}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).flatMap(([rule, message]) => {
    if (rule === 'whitelistValidation') return [detail(location, 'unexpected property', error.value)];
    return message.split('\n').map((line) => {
      const [, index, text] = ITEM_MESSAGE.exec(line) ?? [];
      if (index === undefined || text === undefined) return detail(location, line, error.value);
      return detail(`${location}[${index}]`, text, (error.value as unknown[])[Number(index)]);
    });
  });
  return own.concat((error.children ?? []).flatMap((child) => toDetails(child, location)));
}

function detail(location: string, message: string, value: unknown): RefusalDetail {
  return { location, message, value };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function requirePathParameter(name: string, value: unknown): string {
  const text = String(value);
  if (name.endsWith('Slug') && !isSlug(text)) {
    throw invalidAt(
      `path.${name}`,
      'must be 2 to 100 lower-case letters, digits and hyphens, beginning and ending with a letter or digit',
      text,
    );
  }
  if (name.endsWith('Id') && !UUID.test(text)) throw invalidAt(`path.${name}`, 'must be a UUID', text);
  return text;
}

/** Every number of ours has fewer digits, and each of these is a JavaScript number exactly. */
const NUMBER = /^-?(0|[1-9]\d{0,14})$/;

function requireNumber(name: string, value: unknown): number {
  const text = String(value);
  if (!NUMBER.test(text)) throw invalidAt(`path.${name}`, 'must be a whole number of at most 15 digits', text);
  return Number(text);
}

/** Names that would shadow what every object has; the libraries that read bodies trip over them. */
const PROTOTYPE_MEMBERS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * PostgreSQL cannot store NUL, and a lone surrogate would be stored as something else than was sent. Looked for in the
 * whole value, names of members included, so that no field can forget it.
 */
function refuseUnstorableText(value: unknown, location: string, depth = 0): void {
  if (depth > NESTING_MAX) throw invalidAt(location, `must not be nested deeper than ${NESTING_MAX} levels`);
  if (typeof value === 'string') {
    if (value.includes('\u0000') || !value.isWellFormed())
      throw invalidAt(location, 'must be well-formed text without NUL characters');
    if (holdsSecret(value))
      throw invalidAt(location, 'must not hold a secret: everybody who may read it would know the secret');
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => refuseUnstorableText(item, `${location}[${index}]`, depth + 1));
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      if (PROTOTYPE_MEMBERS.has(name)) throw invalidAt(`${location}.${name}`, 'unexpected property');
      refuseUnstorableText(name, location, depth + 1);
      refuseUnstorableText(member, `${location}.${name}`, depth + 1);
    }
  }
}
