import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import type { FastifyRequest } from 'fastify';
import { requestIdOf } from '../common/request-id.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** What came over the wire, as far as the plane is concerned. A request of Node's is one. */
export type ReceivedRequest = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'socket' | 'url'>;

/** What the doors of the plane look at. A request of Fastify is one, so that they serve what comes through Nest, too. */
export type PlaneRequest = Pick<FastifyRequest, 'headers' | 'url' | 'id' | 'ip' | 'body' | 'caller'> & {
  readonly raw: Pick<ReceivedRequest, 'rawHeaders' | 'socket'>;
};

export type TrustsProxy = (address: string, hop: number) => boolean;

/** A request to the plane. */
export class AskedRequest implements PlaneRequest {
  readonly id: string;
  body: unknown = undefined;
  private address: string | undefined = undefined;
  readonly caller = undefined; // nobody has been let in by the guard of the application

  constructor(
    readonly raw: ReceivedRequest,
    private readonly isTrustedProxy: TrustsProxy | undefined,
  ) {
    this.id = requestIdOf(raw);
  }

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  get url(): string {
    return this.raw.url ?? '/';
  }

  /** The caller's address as Fastify would tell it: the last one that no trusted proxy vouches for. */
  get ip(): string {
    this.address ??=
      this.isTrustedProxy === undefined
        ? (this.raw.socket.remoteAddress ?? '')
        : proxyAddress(this.raw as IncomingMessage, this.isTrustedProxy);
    return this.address;
  }
}

/** People's JWTs are judged by the guard of the application. */
export function carriesJwt({ headers: { authorization } }: Pick<ReceivedRequest, 'headers'>): boolean {
  return authorization !== undefined && /^bearer +eyJ/i.test(authorization);
}
