import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LogStream } from './log-stream.js';
import { redactor } from './redaction.js';

/**
 * One line for each request, in the form of the other lines. It is made here and not by pino, which takes ten times as
 * long, because it looks for members to redact in it: this line has a fixed set of members, none of which holds a secret
 * by its meaning. The search for what has the form of a secret is made here, too.
 */
export class RequestLog {
  private readonly redact: (line: string) => string;
  private readonly pid = process.pid;

  constructor(
    private readonly stream: LogStream,
    tokenPrefix: string,
  ) {
    this.redact = redactor(tokenPrefix);
  }

  note(request: FastifyRequest, reply: FastifyReply): void {
    const { id } = request;
    const text = JSON.stringify({
      level: 'info',
      time: new Date().toISOString(),
      pid: this.pid,
      reqId: id,
      requestId: id,
      method: request.method,
      path: request.originalUrl.split('?', 1)[0], // a query may hold anything
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      ipAddress: request.ip,
      msg: 'request',
    });
    const line = this.redact(`${text}\n`);
    if (this.stream.writeSoon) this.stream.writeSoon(line);
    else this.stream.write(line);
  }
}
