import { connect } from 'node:net';
import { SignJWT } from 'jose';
import { TEST_ENVIRONMENT } from './databases.js';

export interface RequestOptions {
  /** Sent as it is when it is text, as JSON otherwise. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another credential than the client's own. */
  readonly token?: string;
}

export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body; undefined when there is none or it is no JSON. */
  readonly body: T;
  readonly text: string;
}

/** Calls the service with one credential, or with none. */
export class Client {
  constructor(
    readonly url: string,
    readonly token?: string,
  ) {}

  /** The same service, called with another credential. */
  holding(token: string | undefined): Client {
    return new Client(this.url, token);
  }

  get<T = unknown>(path: string, options?: RequestOptions): Promise<Answer<T>> {
    return this.request<T>('GET', path, options);
  }

  post<T = unknown>(path: string, options?: RequestOptions): Promise<Answer<T>> {
    return this.request<T>('POST', path, options);
  }

  put<T = unknown>(path: string, options?: RequestOptions): Promise<Answer<T>> {
    return this.request<T>('PUT', path, options);
  }

  patch<T = unknown>(path: string, options?: RequestOptions): Promise<Answer<T>> {
    return this.request<T>('PATCH', path, options);
  }

  delete<T = unknown>(path: string, options?: RequestOptions): Promise<Answer<T>> {
    return this.request<T>('DELETE', path, options);
  }

  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const token = options.token ?? this.token;
    const hasBody = options.body !== undefined;
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
        ...options.headers,
      },
      ...(hasBody ? { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) } : {}),
      redirect: 'manual',
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson && text !== '' ? JSON.parse(text) : undefined) as T,
      text,
    };
  }
}

export interface JwtClaims {
  readonly org: string;
  readonly sub: string;
  readonly role?: string;
  readonly scopes?: readonly string[];
  readonly name?: string;
  readonly expiresInSeconds?: number;
  /** Another key than the one the service trusts. */
  readonly secret?: string;
}

/** A JWT as the product's identity provider would sign it. The first one of an organization makes its owner. */
export function jwt({ org, sub, role, scopes, name, expiresInSeconds = 600, secret }: JwtClaims): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  return new SignJWT({
    org,
    ...(role === undefined ? {} : { role }),
    ...(scopes === undefined ? {} : { scope: scopes.join(' ') }),
    ...(name === undefined ? {} : { name }),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(sub)
    .setIssuedAt(Math.min(nowSeconds, nowSeconds + expiresInSeconds))
    .setExpirationTime(nowSeconds + expiresInSeconds)
    .sign(new TextEncoder().encode(secret ?? TEST_ENVIRONMENT.AUTH_JWT_SECRET));
}

/** Sends bytes that `fetch` would refuse to send; the one answer to them. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<Answer> {
  return parseRaw(await exchange(url, bytes));
}

/** Sends bytes, and reads until the service closes the connection. */
export function exchange(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.setTimeout(10_000, () => socket.destroy(new Error('the service neither answered nor closed in 10 s')));
    socket.on('error', (error) =>
      chunks.length > 0 ? resolve(Buffer.concat(chunks).toString('utf8')) : reject(error),
    );
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => {
      socket.end();
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    socket.write(bytes);
  });
}

function parseRaw(answer: string): Answer {
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const text = rest.join('\r\n\r\n');
  const headers = new Headers(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const isJson = /[/+]json\b/.test(headers.get('content-type') ?? '');
  return { status: Number(statusLine.split(' ')[1]), headers, body: isJson ? JSON.parse(text) : undefined, text };
}
