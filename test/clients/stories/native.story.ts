import createClient from 'openapi-fetch';
import { bodyOf, expectNoBody, refusalOf } from './answers.js';
import type { components, paths as NativePaths } from './generated/native.js';
import type { paths as VerificationPaths } from './generated/verification.js';

type Token = components['schemas']['TokenResponse'];
type NativeClient = ReturnType<typeof clientOf>;

/** What a program with a generated client meets, from the creation of a service account to its end. */
export interface NativeStory {
  readonly secret: string;
  readonly listed: readonly Token[];
  readonly firstPage: readonly Token[];
  readonly accountsSeen: readonly string[];
  readonly verdicts: readonly string[];
  readonly refusal: string;
  readonly afterwards: string;
}

export async function tellNativeStory(baseUrl: string, jwt: string): Promise<NativeStory> {
  const owner = clientOf(baseUrl, jwt);

  const account = bodyOf(await owner.POST('/service-accounts', { body: { name: 'Billing' } }));
  const path = { serviceAccountSlug: account.slug };
  const { token: secret, ...issued } = bodyOf(
    await owner.POST('/service-accounts/{serviceAccountSlug}/tokens', {
      params: { path },
      body: { name: 'Nightly run', scopes: ['service_accounts:read'], annotations: { team: 'payments' } },
    }),
  );
  if (secret === undefined) throw new Error('no secret, as if the request had been sent twice');

  const all = bodyOf(await owner.GET('/service-accounts/{serviceAccountSlug}/tokens', { params: { path } }));
  const page = bodyOf(
    await owner.GET('/service-accounts/{serviceAccountSlug}/tokens', { params: { path, query: { limit: 1 } } }),
  );

  const bearer = clientOf(baseUrl, secret);
  const accounts = bodyOf(await bearer.GET('/service-accounts'));
  const before = bodyOf(await owner.POST('/tokens/verify', { body: { token: secret } }));
  expectNoBody(
    await owner.DELETE('/service-accounts/{serviceAccountSlug}/tokens/{tokenSlug}', {
      params: { path: { ...path, tokenSlug: issued.slug } },
    }),
  );
  const after = bodyOf(await owner.POST('/tokens/verify', { body: { token: secret } }));
  const refusal = refusalOf(await bearer.GET('/service-accounts'), 401);

  expectNoBody(await owner.DELETE('/service-accounts/{serviceAccountSlug}', { params: { path } }));
  const gone = refusalOf(await owner.GET('/service-accounts/{serviceAccountSlug}', { params: { path } }), 404);
  return {
    secret,
    listed: itemsOf(all),
    firstPage: itemsOf(page),
    accountsSeen: itemsOf(accounts).map(({ externalId }) => externalId),
    verdicts: [before.code, after.code],
    refusal: refusal.code,
    afterwards: gone.code,
  };
}

/** A list comes bare, or as a page where a limit was sent. */
function itemsOf<Item>(list: Item[] | { items: Item[] }): Item[] {
  return Array.isArray(list) ? list : list.items;
}

function clientOf(baseUrl: string, credential: string) {
  return createClient<NativePaths & VerificationPaths>({ baseUrl, headers: { authorization: `Bearer ${credential}` } });
}

/** Never called: what the generated types must not let pass. */
export async function mistakes(client: NativeClient, token: Token): Promise<void> {
  // @ts-expect-error no such path
  await client.GET('/service-account');
  // @ts-expect-error no such argument
  await client.POST('/service-accounts', { body: { nmae: 'Billing' } });
  // @ts-expect-error an argument is missing
  await client.POST('/tokens/verify', { body: { scopes: [] } });
  // @ts-expect-error it is a number
  await client.GET('/service-accounts', { params: { query: { limit: 'all' } } });
  // @ts-expect-error lists have no secrets
  void token.token;
}
