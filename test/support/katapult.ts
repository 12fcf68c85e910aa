import { request as send } from 'node:http';
import { expectStatus, type Person, signInOwner, unique } from './callers.js';
import { failureAt } from './failure.js';
import { type Answer, Client, type RequestOptions } from './http.js';
import type { Keyward } from './keyward.js';

export const ORGANIZATIONS = '/core/v1/organizations';
export const ORGANIZATION = '/core/v1/organizations/organization';
export const TOKENS = '/core/v1/organizations/organization/api_tokens';
export const TOKEN = '/core/v1/api_tokens/api_token';
export const REGENERATE = '/core/v1/api_tokens/api_token/regenerate_secret';

export const TOKEN_ID = /^tok_\S+$/;
export const ORGANIZATION_ID = /^org_\S+$/;
export const ORGANIZATION_SECRET = /^kwo_[0-9A-Za-z]{49}$/;

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly organization_id: string | null;
  readonly authorized_ip_addresses: readonly string[];
  readonly expires_at: number | null;
  readonly rate_limit: number;
  readonly scopes: readonly string[];
  readonly secret: string | null;
}

export interface Annotation {
  readonly key: string;
  readonly value: string;
}

export interface TokenAnswer {
  readonly api_token: ApiToken;
  readonly annotations: readonly Annotation[];
}

export interface Pagination {
  readonly current_page: number;
  readonly total_pages: number | null;
  readonly total: number | null;
  readonly per_page: number;
  readonly large_set: boolean;
}

export interface TokenList {
  readonly pagination: Pagination;
  readonly api_tokens: readonly ApiToken[];
}

export interface KatapultOrganization {
  readonly id: string;
  readonly name: string;
  readonly sub_domain: string;
  readonly created_at: number;
  readonly suspended: boolean;
}

/** Every code of the dialect with its status. */
export const STATUS_OF = {
  missing_api_token: 400,
  invalid_argument: 400,
  missing_required_argument: 400,
  invalid_json_body: 400,
  invalid_api_token: 403,
  unauthorized_network_for_api_token: 403,
  scope_not_granted: 403,
  permission_denied: 403,
  organization_suspended: 403,
  organization_not_found: 404,
  api_token_not_found: 404,
  route_not_found: 404,
  validation_error: 422,
  rate_limit_reached: 429,
  service_unavailable: 503,
} as const;
export type KatapultCode = keyof typeof STATUS_OF;

interface RefusalMembers {
  readonly code: KatapultCode;
  readonly description: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Calls the service as clients of this dialect do: any method may carry a body, which `fetch` refuses for a GET. */
export class Katapult extends Client {
  static of({ url, token }: Client): Katapult {
    return new Katapult(url, token);
  }

  override holding(token: string | undefined): Katapult {
    return new Katapult(this.url, token);
  }

  override request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const token = options.token ?? this.token;
    const body =
      options.body === undefined || typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      ...options.headers,
    };
    return new Promise((resolve, reject) => {
      const request = send(this.url + path, { method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const answered = Object.entries(response.headersDistinct).map(([name, values]): [string, string] => [
            name,
            (values ?? []).join(', '),
          ]);
          const isJson = /[/+]json\b/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers: new Headers(answered),
            body: (isJson && text !== '' ? JSON.parse(text) : undefined) as T,
            text,
          });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** An organization of its own, whose owner calls through this dialect. */
export class KatapultTenant {
  private constructor(
    readonly owner: Person,
    readonly caller: Katapult,
    readonly organization: KatapultOrganization,
  ) {}

  static async create(keyward: Keyward): Promise<KatapultTenant> {
    const owner = await signInOwner(keyward);
    const caller = Katapult.of(owner);
    const { organizations } = expectStatus(
      await caller.get<{ organizations: KatapultOrganization[] }>(ORGANIZATIONS),
      200,
    );
    return new KatapultTenant(owner, caller, organizations[0]!);
  }

  /** The argument that names this organization. */
  get lookup(): { id: string } {
    return { id: this.organization.id };
  }

  /** Asks for a token of this organization; whoever asks needs to hold what it shall have. */
  request(
    properties: object,
    annotations?: readonly Annotation[],
    caller: Katapult = this.caller,
  ): Promise<Answer<TokenAnswer>> {
    return caller.post<TokenAnswer>(TOKENS, { body: { organization: this.lookup, properties, annotations } });
  }

  async create(properties: object = {}, annotations?: readonly Annotation[]): Promise<ApiToken & { secret: string }> {
    const answer = await this.request({ name: unique('token'), scopes: ['orders:read'], ...properties }, annotations);
    return expectStatus(answer, 200).api_token as ApiToken & { secret: string };
  }

  /** A client that holds a new token with these scopes. */
  async holder(...scopes: string[]): Promise<Katapult> {
    return this.caller.holding((await this.create({ scopes })).secret);
  }

  /** The person who owns this organization, with a scope claim. */
  async narrowedTo(...scopes: string[]): Promise<Katapult> {
    return Katapult.of(await this.owner.narrowedTo(...scopes));
  }

  /** The list path of this organization with more of a query. */
  listPath(query = ''): string {
    return `${TOKENS}?organization[id]=${this.organization.id}${query === '' ? '' : `&${query}`}`;
  }

  async list(query = ''): Promise<TokenList> {
    return expectStatus(await this.caller.get<TokenList>(this.listPath(query)), 200);
  }

  /** The token of this name in the list of the organization. */
  async find(name: string): Promise<ApiToken | undefined> {
    const { api_tokens } = await this.list('per_page=200');
    return api_tokens.find((token) => token.name === name);
  }

  patch({ id }: { readonly id: string }, body: object): Promise<Answer<TokenAnswer>> {
    return this.caller.patch<TokenAnswer>(TOKEN, { body: { api_token: { id }, ...body } });
  }

  delete({ id }: { readonly id: string }): Promise<Answer> {
    return this.caller.delete(TOKEN, { body: { api_token: { id } } });
  }

  regenerate({ id }: { readonly id: string }): Promise<Answer<{ api_token: ApiToken & { secret: string } }>> {
    return this.caller.post(REGENERATE, { body: { api_token: { id } } });
  }
}

/** What the endpoints are called about. */
export interface Subjects {
  readonly organization: { readonly id: string };
  readonly token: { readonly id: string };
}

/** One row of the contract, with a call of it that succeeds. */
export interface Endpoint {
  readonly name: string;
  /** Any one of them is enough. */
  readonly scopes: readonly string[];
  readonly answers: readonly string[];
  call(caller: Katapult, subjects: Subjects): Promise<Answer>;
}

export const ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'GET /organizations/organization/api_tokens',
    scopes: ['api_tokens', 'api_tokens:read'],
    answers: ['pagination', 'api_tokens'],
    call: (caller, { organization }) => caller.get(`${TOKENS}?organization[id]=${organization.id}`),
  },
  {
    name: 'POST /organizations/organization/api_tokens',
    scopes: ['api_tokens'],
    answers: ['api_token', 'annotations'],
    call: (caller, { organization: { id } }) =>
      caller.post(TOKENS, { body: { organization: { id }, properties: { name: unique('token') } } }),
  },
  {
    name: 'PATCH /api_tokens/api_token',
    scopes: ['api_tokens'],
    answers: ['api_token', 'annotations'],
    call: (caller, { token: { id } }) =>
      caller.patch(TOKEN, { body: { api_token: { id }, properties: { name: unique('renamed') } } }),
  },
  {
    name: 'DELETE /api_tokens/api_token',
    scopes: ['api_tokens'],
    answers: ['api_token'],
    call: (caller, { token: { id } }) => caller.delete(TOKEN, { body: { api_token: { id } } }),
  },
  {
    name: 'POST /api_tokens/api_token/regenerate_secret',
    scopes: ['api_tokens'],
    answers: ['api_token'],
    call: (caller, { token: { id } }) => caller.post(REGENERATE, { body: { api_token: { id } } }),
  },
  {
    name: 'GET /organizations',
    scopes: ['organizations:read'],
    answers: ['organizations'],
    call: (caller) => caller.get(ORGANIZATIONS),
  },
  {
    name: 'GET /organizations/organization',
    scopes: ['organizations:read'],
    answers: ['organization'],
    call: (caller, { organization }) => caller.get(`${ORGANIZATION}?organization[id]=${organization.id}`),
  },
];

/** Rows for `it.each`, named by their method and path. */
export const EACH_ENDPOINT = ENDPOINTS.map((endpoint): [string, Endpoint] => [endpoint.name, endpoint]);

/** Asserts that an answer is a whole error body of this code, in both of its forms, and hands its detail back. */
export function expectRefused(answer: Answer, code: KatapultCode, detail?: object): Readonly<Record<string, unknown>> {
  const { error, ...beside } = (answer.body ?? {}) as RefusalMembers & { readonly error?: RefusalMembers };
  if (answer.status !== STATUS_OF[code] || error?.code !== code) {
    throw failureAt(expectRefused, `expected ${STATUS_OF[code]} ${code}, got ${answer.status}: ${answer.text}`);
  }
  expect(error).toEqual({ code, description: expect.stringMatching(/\S/), detail: detail ?? expect.any(Object) });
  expect(beside).toEqual(error);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
  expect(answer.headers.get('x-api-schema')).toBe('json-error');
  expect(answer.headers.get('x-request-id')).toMatch(/\S/);
  return error.detail;
}

/** Asserts a refusal of the argument at this path, for this reason. */
export function expectInvalidArgument(
  answer: Answer,
  path: readonly string[],
  issue: string,
  more: { readonly index?: number; readonly errors?: readonly string[] } = {},
): void {
  const { argument, ...detail } = expectRefused(answer, 'invalid_argument');
  expect(detail).toEqual({
    path,
    index: more.index ?? null,
    issue,
    issue_description: expect.stringMatching(/\S/),
    errors: more.errors ?? expect.any(Array),
  });
  const { description, ...named } = argument as { readonly description: unknown };
  expect(named).toEqual({ id: expect.stringMatching(/\S/), name: path.at(-1) });
  expectTextOrNull(description);
}

/** Asserts that the argument at this path is told to be missing. */
export function expectMissingArgument(answer: Answer, path: readonly string[]): void {
  const { argument, ...detail } = expectRefused(answer, 'missing_required_argument');
  const { description, ...named } = argument as { readonly description: unknown };
  expect([detail, named]).toEqual([{ path }, { name: path.at(-1) }]);
  expectTextOrNull(description);
}

/** Asserts that a member is present, with or without a value. */
function expectTextOrNull(member: unknown): void {
  expect(member === null ? 'string' : typeof member).toBe('string');
}

/** Now, or so many seconds from it, as this dialect writes moments. */
export function unixSeconds(fromNow = 0): number {
  return Math.floor(Date.now() / 1_000) + fromNow;
}
