import { CATALOGUE, type ErrorCode } from './catalogue.js';

/** One thing that is wrong with a request: where it is (`body.scopes[1]`, `query.limit`, `path.tokenSlug`, `header.if-match`), and what is expected there. */
export interface RefusalDetail {
  readonly location: string;
  readonly message: string;
  /** What was sent, where it is short and no secret. */
  readonly value?: unknown;
}

/**
 * A request that is turned down for a reason of the catalogue. Every dialect's error filter renders it; anything else
 * that is thrown is a fault of ours and becomes 500 without its message.
 */
export class Refusal extends Error {
  constructor(
    readonly code: ErrorCode,
    /** A sentence about this very case; without it the catalogue's sentence for callers is used. Never holds a secret. */
    detail?: string,
    readonly more: {
      readonly errors?: readonly RefusalDetail[];
      readonly headers?: Readonly<Record<string, string>>;
      /** Scopes that the caller lacks, each of which would have been enough. */
      readonly anyOfScopes?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail ?? CATALOGUE[code].caller, more.cause === undefined ? undefined : { cause: more.cause });
  }

  get status(): number {
    return CATALOGUE[this.code].status;
  }
}

/** A request that breaks one rule in one place. */
export function invalidAt(location: string, message: string, value?: unknown): Refusal {
  return new Refusal('request.invalid', message, { errors: [{ location, message, value }] });
}

const SECRET_MEMBER = /token$|secret|password|authorization|pepper|cookie/i;
const ECHO_CHARACTERS_MAX = 200;
const ECHO_LEVELS_MAX = 4;

/** Text of an answer without what looks like a secret: a member's name may be one. */
export function withoutSecrets(text: string): string {
  return text.replace(new RegExp(LOOKS_LIKE_SECRET, 'g'), '…');
}

/** What may be shown of a value that was sent: nothing of what may be a secret, nor of what is long. */
export function echo(location: string, value: unknown): unknown {
  if (value === undefined || SECRET_MEMBER.test(location) || !isShallow(value, ECHO_LEVELS_MAX)) return undefined;
  const text = JSON.stringify(value) as string | undefined; // undefined for what JSON cannot say
  if (text === undefined || text.length > ECHO_CHARACTERS_MAX || LOOKS_LIKE_SECRET.test(text)) return undefined;
  return value;
}

/** Writing out a value that is nested a hundred thousand levels deep would exhaust the stack. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => isShallow(member, levels - 1));
}

/** JWTs, and runs of characters as long and as random as our secrets: a person who pastes one into the wrong field does not get it back in an answer. */
const LOOKS_LIKE_SECRET = /eyJ[\w-]+\.[\w-]+|[A-Za-z0-9_]{40,}/;
