import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers an error in the words of a dialect. */
export type ErrorAnswer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Which paths speak another dialect than the native one. A door names its prefix here, so that what goes wrong before a
 * handler of its is chosen (an unknown path, a body that cannot be read) is said in its words, too.
 */
@Injectable()
export class ErrorDialects {
  private readonly answers = new Map<string, ErrorAnswer>();

  /** @param prefix such as `/oauth2`; it stands for itself and every path below */
  register(prefix: string, answer: ErrorAnswer): void {
    this.answers.set(prefix, answer);
  }

  find(path: string): ErrorAnswer | undefined {
    for (const [prefix, answer] of this.answers) {
      if (path === prefix || path.startsWith(`${prefix}/`)) return answer;
    }
    return undefined;
  }
}
