import { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, type JWTHeaderParameters, type JWTPayload } from 'jose';

/** Each is signed with the key of its family. */
export type Algorithm = 'RS256' | 'PS256' | 'RS512' | 'ES256' | 'EdDSA' | 'Ed25519';
type Family = 'RSA' | 'EC' | 'OKP';

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const RESOURCE = 'urn:keyward';
const CLIENT = { id: 'test-client', secret: 'test-client-secret' };
const FAMILY: Readonly<Record<Algorithm, Family>> = {
  RS256: 'RSA',
  PS256: 'RSA',
  RS512: 'RSA',
  ES256: 'EC',
  EdDSA: 'OKP',
  Ed25519: 'OKP',
};
const GENERATED_WITH: Readonly<Record<Family, string>> = { RSA: 'RS256', EC: 'ES256', OKP: 'Ed25519' };

/**
 * A real OpenID Connect provider in the test process. What a good provider never issues is made with `sign`, which uses
 * the same keys without asking it.
 */
export class IdentityProvider {
  readonly audience = 'keyward-tests';
  /** How often each path was asked for. */
  readonly requests = new Map<string, number>();
  private keys: Readonly<Record<Family, SigningKey>>;
  private answer: RequestListener;
  private server: Server;
  private rotations = 0;
  private readonly detours = new Map<string, RequestListener>();

  private constructor(readonly port: number) {}

  static async start(): Promise<IdentityProvider> {
    const server = createServer();
    const provider = new IdentityProvider(await listen(server, 0));
    provider.adopt(server);
    await provider.rotateKeys();
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get keySetRequests(): number {
    return this.requests.get('/jwks') ?? 0;
  }

  /** Asks the token endpoint for a JWT access token (RFC 9068) with these claims on top of its own. */
  async issue(claims: JWTPayload, algorithm: Algorithm = 'RS256'): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}` },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        resource: RESOURCE,
        algorithm,
        claims: JSON.stringify(claims),
      }),
    });
    const body = (await response.json()) as { access_token?: string };
    if (body.access_token === undefined) throw new Error(`The identity provider refused: ${JSON.stringify(body)}`);
    return body.access_token;
  }

  /** Signs exactly this with the provider's key, also what is no set of claims; `header` is laid over `alg` and `kid`. */
  sign(claims: unknown, algorithm: Algorithm = 'RS256', header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    const { kid, privateKey } = this.keys[FAMILY[algorithm]];
    const crit = Object.fromEntries((header.crit ?? []).map((name) => [name, true])); // jose signs none that it does not know
    return new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: algorithm, kid, ...header })
      .sign(privateKey, { crit });
  }

  /** Claims that a JWT of this provider for this audience has, good for five minutes. */
  goodClaims(claims: JWTPayload = {}): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.issuer, aud: this.audience, sub: 'person', iat: now, exp: now + 300, ...claims };
  }

  publicKeyPem(): Promise<string> {
    return exportSPKI(this.keys.RSA.publicKey);
  }

  /** Forgets every key and publishes new ones. */
  async rotateKeys(): Promise<void> {
    this.rotations += 1;
    const made = (['RSA', 'EC', 'OKP'] as const).map(async (family): Promise<[Family, SigningKey]> => {
      const pair = await generateKeyPair(GENERATED_WITH[family], { extractable: true });
      // A KeyObject signs with every algorithm of its family, a CryptoKey with the one it was made for.
      const [privateKey, publicKey] = [KeyObject.from(pair.privateKey), KeyObject.from(pair.publicKey)];
      return [family, { kid: `${family}-${this.rotations}`, privateKey, publicKey }];
    });
    this.keys = Object.fromEntries(await Promise.all(made)) as Record<Family, SigningKey>;
    this.answer = await quietly(() => this.providerOf(Object.values(this.keys)));
  }

  /** Answers a path otherwise than the provider does; undefined undoes it. */
  detour(path: string, listener: RequestListener | undefined): void {
    if (listener === undefined) this.detours.delete(path);
    else this.detours.set(path, listener);
  }

  /** Stops listening and drops every connection. */
  async goDown(): Promise<void> {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Listens on the same port again. */
  async comeBack(): Promise<void> {
    const server = createServer();
    await listen(server, this.port);
    this.adopt(server);
  }

  private adopt(server: Server): void {
    this.server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('connection', 'close'); // a connection kept open would be reset when the provider goes down
      const path = request.url ?? '';
      this.requests.set(path, (this.requests.get(path) ?? 0) + 1);
      (this.detours.get(path) ?? this.answer)(request, response);
    });
  }

  private async providerOf(keys: readonly SigningKey[]): Promise<RequestListener> {
    const jwks = {
      keys: await Promise.all(
        keys.map(async ({ kid, privateKey }) => ({ ...(await exportJWK(privateKey)), kid, use: 'sig' })),
      ),
    };
    // @ts-expect-error oidc-provider ships no types
    const { default: Provider } = (await import('oidc-provider')) as ProviderModule;
    const provider = new Provider(this.issuer, {
      jwks,
      clients: [
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
      ],
      ttl: { ClientCredentials: 300 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (context: TokenRequest) => ({
            scope: '',
            audience: this.audience,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: context.oidc.body.algorithm } },
          }),
        },
      },
      formats: {
        customizers: {
          jwt: (context: TokenRequest, _token: unknown, jwt: { payload: JWTPayload }) => {
            Object.assign(jwt.payload, JSON.parse(context.oidc.body.claims));
          },
        },
      },
    });
    return provider.callback();
  }
}

/** As much of oidc-provider as is used here. */
interface ProviderModule {
  readonly default: new (issuer: string, configuration: object) => { callback(): RequestListener };
}

interface TokenRequest {
  readonly oidc: { readonly body: { readonly algorithm: string; readonly claims: string } };
}

/** oidc-provider warns of every default that production would change, and of the version of Node. */
async function quietly<T>(make: () => Promise<T>): Promise<T> {
  const { warn, info } = console;
  Object.assign(console, { warn: () => undefined, info: () => undefined });
  try {
    return await make();
  } finally {
    Object.assign(console, { warn, info });
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
