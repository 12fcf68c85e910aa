import createClient from 'openapi-fetch';
import { bodyOf, refusalOf } from './answers.js';
import type { components, paths } from './generated/katapult.js';

type ApiToken = components['schemas']['KatapultApiToken'];
type KatapultClient = ReturnType<typeof clientOf>;

/** What a program with a generated client meets, from the creation of a token to its end. */
export interface KatapultStory {
  readonly secrets: readonly (string | null)[];
  readonly listed: readonly ApiToken[];
  readonly listedOfAnotherTeam: readonly ApiToken[];
  readonly total: number | null;
  readonly seen: readonly string[];
  readonly refusal: string;
  readonly deleted: string;
  readonly afterwards: string;
}

export async function tellKatapultStory(baseUrl: string, jwt: string): Promise<KatapultStory> {
  const owner = clientOf(baseUrl, jwt);

  const { organizations } = bodyOf(await owner.GET('/core/v1/organizations'));
  const organization = { id: organizations[0]?.id };
  const { api_token: created } = bodyOf(
    await owner.POST('/core/v1/organizations/{organization}/api_tokens', {
      params: { path: { organization: '_' } },
      body: {
        organization,
        properties: { name: 'Deploy', scopes: ['api_tokens:read'], expires_at: Math.floor(Date.now() / 1_000) + 3_600 },
        annotations: [{ key: 'team', value: 'payments' }],
      },
    }),
  );

  const tokensOf = (team: string) => ({
    path: { organization: '_' },
    query: {
      'organization[id]': organization.id,
      'annotations[][key]': ['team'],
      'annotations[][value]': [team],
      per_page: 10,
    },
  });
  const list = '/core/v1/organizations/{organization}/api_tokens';
  const { api_tokens: listed, pagination } = bodyOf(await owner.GET(list, { params: tokensOf('payments') }));
  const others = bodyOf(await owner.GET(list, { params: tokensOf('support') }));
  const seen = bodyOf(await clientOf(baseUrl, created.secret ?? '').GET(list, { params: tokensOf('payments') }));

  const token = { params: { path: { api_token: '_' } }, body: { api_token: { id: created.id } } };
  const { api_token: regenerated } = bodyOf(
    await owner.POST('/core/v1/api_tokens/{api_token}/regenerate_secret', token),
  );
  const old = refusalOf(await clientOf(baseUrl, created.secret ?? '').GET(list, { params: tokensOf('payments') }), 403);

  const { api_token: deleted } = bodyOf(await owner.DELETE('/core/v1/api_tokens/{api_token}', token));
  const gone = refusalOf(await owner.DELETE('/core/v1/api_tokens/{api_token}', token), 404);
  return {
    secrets: [created.secret, regenerated.secret],
    listed,
    listedOfAnotherTeam: others.api_tokens,
    total: pagination.total,
    seen: seen.api_tokens.map(({ id }) => id),
    refusal: old.error.code,
    deleted: deleted.id,
    afterwards: gone.error.code,
  };
}

function clientOf(baseUrl: string, credential: string) {
  return createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${credential}` }, querySerializer });
}

/** Encodes the brackets in the names of the arguments too, which the client's own serializer leaves as they are. */
function querySerializer(query: object): string {
  const pairs = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(pairs).toString();
}

/** Never called: what the generated types must not let pass. */
export async function mistakes(client: KatapultClient, token: ApiToken): Promise<void> {
  const path = { organization: '_' };
  // @ts-expect-error no such path
  await client.GET('/core/v1/organizations/{organization}/tokens', { params: { path } });
  await client.GET('/core/v1/organizations/{organization}/api_tokens', {
    // @ts-expect-error no such argument
    params: { path, query: { 'organization[slug]': 'acme' } },
  });
  // @ts-expect-error the body is missing
  await client.DELETE('/core/v1/api_tokens/{api_token}', { params: { path: { api_token: token.id } } });
  // @ts-expect-error null where there is no value
  token.expires_at.toFixed();
  // @ts-expect-error null but where it was just made
  token.secret.slice(0, 4);
}
