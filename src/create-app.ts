import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type RequestListener, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import cors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { serveApiDocuments } from './api-documents.js';
import { AppModule } from './app.module.js';
import { parseJsonBody } from './common/json-body.js';
import { parseForm } from './common/form.js';
import { requestIdOf } from './common/request-id.js';
import { RequestPipe } from './common/request.pipe.js';
import type { Config } from './config/config.js';
import { PublicUrl } from './config/public-url.js';
import { CATALOGUE } from './errors/catalogue.js';
import { Dialects } from './errors/dialects.js';
import { ProblemFilter } from './errors/problem.filter.js';
import { RouteTable } from './errors/route-table.js';
import { Refusal } from './errors/refusal.js';
import { type LogStream, StandardOutput } from './logging/log-stream.js';
import { createLogger, NestLogger } from './logging/logger.js';
import { RequestLog } from './logging/request-log.js';
import { resolveAlias } from './path-aliases.js';
import { securityHeaders } from './security-headers.js';
import { VerificationPlane } from './verification/verification-plane.js';

/**
 * Builds the application, connected to its database and not yet listening.
 * @throws whatever keeps it from starting; nothing is left open then
 */
export async function createApp(
  config: Config,
  options: { logStream?: LogStream } = {},
): Promise<NestFastifyApplication> {
  const logStream = options.logStream ?? new StandardOutput();
  const logger = createLogger(config, logStream);
  // What Fastify refuses before a handler is chosen reaches the filter once there is one.
  let answerFrameworkError: ((error: unknown, request: FastifyRequest, reply: FastifyReply) => void) | undefined;
  let publicUrl: PublicUrl | undefined;
  const plane = new VerificationPlane(config);
  const adapter = new FastifyAdapter({
    serverFactory: (nest: RequestListener) => plane.createServer(nest),
    bodyLimit: config.settings.BODY_BYTES_MAX,
    trustProxy: config.trustedProxies,
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }), // one line of our own per request, without query
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 500 },
    rewriteUrl: (request: IncomingMessage) => resolveAlias(request.url ?? '/'),
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    skipMiddie: true, // no Express middleware runs here, so nothing need look for any on each request
    clientErrorHandler: (error, socket) => answerMalformedHttp(error, socket, publicUrl?.href ?? ''),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      answerFrameworkError?.(error, request, reply),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(config, plane), adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  const instance = adapter.getInstance();
  const filter = app.get(ProblemFilter);
  publicUrl = app.get(PublicUrl);
  answerFrameworkError = (error, request, reply) => filter.answer(error, request, reply);
  app.get(RouteTable).watch(instance);
  app.useGlobalPipes(new RequestPipe());
  if (logger.isLevelEnabled('info')) {
    const log = new RequestLog(logStream, config.settings.TOKEN_PREFIX);
    instance.addHook('onResponse', (request, reply, done) => {
      log.note(request, reply);
      done();
    });
  }
  await shapeRequests(instance, config, app.get(Dialects));
  serveApiDocuments(app);
  return app;
}

/** HTTP that cannot be parsed never becomes a request: it is answered on the bare connection, which is then closed. */
function answerMalformedHttp(error: NodeJS.ErrnoException, socket: Duplex, url: string): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'request.headers_too_large' : 'request.malformed';
  const { status, title, caller } = CATALOGUE[code];
  const requestId = randomUUID();
  const body = JSON.stringify({
    type: `${url}/problems/${code}`,
    title,
    status,
    detail: caller,
    instance: '/',
    code,
    requestId,
  });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${requestId}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

/** Fastify reads a body by what these say of it; a dialect that reads its bodies itself finds them in `request.raw.headers`. */
const NO_BODY = { 'content-type': undefined, 'content-length': undefined, 'transfer-encoding': undefined };

async function shapeRequests(instance: FastifyInstance, config: Config, dialects: Dialects): Promise<void> {
  // Only JSON is read; an empty body is no body, whatever its content type says.
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', { parseAs: 'string' }, (_, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      done(null, parseJsonBody(String(body)));
    } catch (error) {
      done(error as Error);
    }
  });
  instance.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (request, body, done) => {
    // RFC 7662 §2.1 asks for a form; nowhere else is one taken.
    if (request.routeOptions.url?.startsWith('/oauth2/')) done(null, parseForm(String(body)));
    else done(new Refusal('request.unsupported_media_type'));
  });
  const headers = { ...securityHeaders(), 'cache-control': 'no-store' };
  instance.addHook('onRequest', (request, reply, done) => {
    void reply.headers(headers).header('x-request-id', request.id);
    // By the route, where there is one: a path may be written in several ways (`/c%6Fre/v1`).
    const path = request.routeOptions.url ?? request.url.split('?', 1)[0] ?? '/';
    if (dialects.at(path)?.readsBodies) request.headers = NO_BODY;
    done();
  });
  if (config.settings.CORS_ORIGINS.length > 0) {
    await instance.register(cors, {
      origin: [...config.settings.CORS_ORIGINS],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: ['ETag', 'X-Request-Id', 'Idempotency-Replayed', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
      maxAge: 600,
    });
  }
}
