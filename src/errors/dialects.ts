import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers an error in the words of a dialect. */
export type ErrorAnswer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** What a dialect's OpenAPI document says besides its operations, which are those of its tags. */
export interface DocumentOutline {
  readonly title: string;
  readonly description: string;
  /** A sentence for each tag. */
  readonly tags: Readonly<Record<string, string>>;
  /** How its callers send their credential. */
  readonly credential: string;
}

export interface Dialect {
  /** Name of its OpenAPI document under /openapi. */
  readonly name: string;
  /** Such as `/oauth2`; each stands for itself and every path below. */
  readonly prefix: string;
  readonly answer: ErrorAnswer;
  /**
   * Whether the dialect reads bodies itself, of any method, once its guards have let the request in. Fastify then leaves
   * them where they are: it would judge a body before anybody has judged the credential, and reads none of a GET.
   */
  readonly readsBodies?: true;
  /** Absent where its operations stand in another document. */
  readonly document?: DocumentOutline;
}

/**
 * The dialects that are spoken besides the native one. A door names its own here when it is made, so that what goes wrong
 * before a handler of its is chosen (an unknown path, a body that cannot be read) is said in its words, too, and so that
 * nothing else has to know of the door.
 */
@Injectable()
export class Dialects {
  private readonly dialects: Dialect[] = [];

  get all(): readonly Dialect[] {
    return this.dialects;
  }

  register(dialect: Dialect): void {
    this.dialects.push(dialect);
  }

  /** The dialect that is spoken at a path; undefined for the native one. */
  at(path: string): Dialect | undefined {
    return this.dialects.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
  }
}
