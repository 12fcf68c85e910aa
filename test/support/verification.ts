import { SecretDigests } from '../../src/tokens/secret-digests.js';
import { generateSecret, type SecretKind } from '../../src/tokens/token-secret.js';
import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from './callers.js';
import { type Answer, Client } from './http.js';
import type { Keyward } from './keyward.js';
import type { IssuedToken, ServiceAccount } from './wire.js';

/** The platform's token, by which the operator's microservices ask. */
export const PLATFORM_TOKEN = 'platform-token-of-the-verification-tests';
/** Settings of an instance whose verification plane is asked. */
export const VERIFYING = { INIT_PLATFORM_TOKENS: PLATFORM_TOKEN } as const;

/** An answer about a token. */
export interface Verdict {
  readonly valid: boolean;
  readonly code: string;
  readonly organization?: { readonly id: string; readonly slug: string };
  readonly serviceAccount?: { readonly id: string; readonly slug: string; readonly name: string };
  readonly user?: { readonly id: string; readonly name?: string };
  readonly token?: { readonly id: string; readonly slug: string; readonly name: string };
  readonly scopes?: readonly string[];
  readonly expiresAt?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly rateLimit?: { readonly limit: number; readonly remaining: number; readonly resetSeconds: number };
}

/** What is asked about a token beside the token itself. */
export interface Question {
  readonly scopes?: readonly string[];
  readonly ipAddress?: string;
  readonly cost?: number;
}

/** Who may ask about the tokens of every organization. */
export function platform({ url }: { readonly url: string }): Client {
  return new Client(url, PLATFORM_TOKEN);
}

export function ask(asker: Client, token: string, question: Question = {}): Promise<Answer<Verdict>> {
  return asker.post<Verdict>('/tokens/verify', { body: { token, ...question } });
}

export async function verify(asker: Client, token: string, question: Question = {}): Promise<Verdict> {
  return expectStatus(await ask(asker, token, question), 200);
}

export async function codeOf(asker: Client, token: string, question: Question = {}): Promise<string> {
  return (await verify(asker, token, question)).code;
}

export async function verifyBatch(
  asker: Client,
  tokens: readonly ({ readonly token: string } & Question)[],
): Promise<readonly Verdict[]> {
  const body = { tokens };
  return expectStatus(await asker.post<{ results: Verdict[] }>('/tokens/verify-batch', { body }), 200).results;
}

/** An organization with a service account, and what it takes to give it more tokens. */
export class Tenant {
  private constructor(
    readonly owner: Person,
    readonly id: string,
    readonly slug: string,
    readonly account: ServiceAccount,
  ) {}

  static async create(instance: { readonly url: string }): Promise<Tenant> {
    const owner = await signInOwner(instance as Keyward);
    const { id, slug } = expectStatus(await owner.get<{ id: string; slug: string }>('/organization'), 200);
    return new Tenant(owner, id, slug, await createAccount(owner, { name: unique('Account') }));
  }

  issue(body: object = {}): Promise<IssuedToken> {
    return issueToken(this.owner, this.account.slug, body);
  }

  /** A client that holds a new token. */
  async holder(...scopes: string[]): Promise<Client> {
    return this.owner.holding((await this.issue({ scopes })).token);
  }

  tokenPath({ slug }: { readonly slug: string }): string {
    return `/service-accounts/${this.account.slug}/tokens/${slug}`;
  }

  async revoke(token: { readonly slug: string }): Promise<void> {
    expectStatus(await this.owner.delete(this.tokenPath(token)), 204);
  }

  /** A new member and their id. */
  async addMember(role: string): Promise<{ id: string; subject: string }> {
    const person = { subject: unique('subject'), name: unique('Person'), role };
    const { id } = expectStatus(await this.owner.post<{ id: string }>('/organization/members', { body: person }), 201);
    return { id, subject: person.subject };
  }
}

/** A token that is written into the database beside the service. */
export interface WrittenToken {
  readonly organizationId: string;
  readonly serviceAccountId?: string;
  readonly userId?: string;
  readonly scopes?: readonly string[] | null;
  readonly rateLimit?: number;
  /** Instead of one of our own form. */
  readonly secret?: string;
  /** Keeps the plain SHA-256 of the secret, as an import does. */
  readonly isImported?: boolean;
}

/** Writes tokens that no endpoint makes, or so many that it would take long, and returns their secrets. */
export async function writeTokens(keyward: Keyward, drafts: readonly WrittenToken[]): Promise<string[]> {
  const digests = new SecretDigests(keyward.config);
  const rows = drafts.map((draft) => {
    const kind: SecretKind = draft.serviceAccountId ? 's' : draft.userId ? 'p' : 'o';
    const secret = draft.secret ?? generateSecret(keyward.config.settings.TOKEN_PREFIX, kind);
    const plain = digests.forLookup(secret).at(-1)!;
    const { digest, pepperId } = draft.isImported ? { digest: plain, pepperId: 'sha256' } : digests.forStorage(secret);
    return {
      organization_id: draft.organizationId,
      service_account_id: draft.serviceAccountId,
      user_id: draft.userId,
      name: unique('written'),
      scopes: draft.scopes === undefined ? ['orders:read'] : draft.scopes,
      rate_limit: draft.rateLimit,
      secret,
      digest: digest.toString('hex'),
      pepper_id: pepperId,
    };
  });
  await keyward.sql(
    `with drafts as (
       select gen_random_uuid() as id, d.* from json_to_recordset($1) as d (organization_id uuid, service_account_id uuid, user_id uuid,
         name text, scopes text[], rate_limit integer, digest text, pepper_id text)
     ), written as (
       insert into tokens (id, organization_id, service_account_id, user_id, slug, name, scopes, rate_limit, created_at, created_by_id)
       select id, organization_id, service_account_id, user_id, name, name, scopes, rate_limit, now(), 'test' from drafts returning id
     )
     insert into token_secrets (id, organization_id, token_id, digest, pepper_id, created_at)
     select gen_random_uuid(), organization_id, id, decode(digest, 'hex'), pepper_id, now() from drafts`,
    [JSON.stringify(rows)],
  );
  return rows.map(({ secret }) => secret);
}

export async function writeToken(keyward: Keyward, draft: WrittenToken): Promise<string> {
  const [secret] = await writeTokens(keyward, [draft]);
  return secret!;
}

/** Secrets of the right form that nobody ever issued. */
export function madeUp(count: number): string[] {
  return Array.from({ length: count }, () => generateSecret('kw', 's'));
}
