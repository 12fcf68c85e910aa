import createClient from 'openapi-fetch';
import { bodyOf, expectNoBody, refusalOf } from './answers.js';
import type { components, paths } from './generated/unleash.js';

/** What a program with a generated client meets, from the creation of a service account to its end. */
export interface UnleashStory {
  readonly secret: string;
  readonly listed: readonly components['schemas']['UnleashPat'][];
  readonly accountsSeen: readonly string[];
  readonly refusals: readonly string[];
  readonly accountsLeft: number;
}

export async function tellUnleashStory(baseUrl: string, jwt: string): Promise<UnleashStory> {
  // The credential stands alone in its header.
  const clientOf = (credential: string) => createClient<paths>({ baseUrl, headers: { authorization: credential } });
  const owner = clientOf(jwt);

  const { rootRoles } = bodyOf(await owner.GET('/api/admin/service-account'));
  const viewer = rootRoles.find(({ type, name }) => type === 'root' && name === 'Viewer');
  if (viewer === undefined) throw new Error('there is no role Viewer');
  const account = bodyOf(
    await owner.POST('/api/admin/service-account', {
      body: { username: 'dashboard', name: 'Dashboard', rootRole: viewer.id },
    }),
  );
  const path = { id: account.id };
  const issued = bodyOf(
    await owner.POST('/api/admin/service-account/{id}/token', {
      params: { path },
      body: { description: 'Wall display', expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
    }),
  );
  const { pats } = bodyOf(await owner.GET('/api/admin/service-account/{id}/token', { params: { path } }));

  const bearer = clientOf(issued.secret);
  const { serviceAccounts } = bodyOf(await bearer.GET('/api/admin/service-account'));
  const forbidden = refusalOf(await bearer.DELETE('/api/admin/service-account/{id}', { params: { path } }), 403);

  expectNoBody(
    await owner.DELETE('/api/admin/service-account/{id}/token/{tokenId}', {
      params: { path: { ...path, tokenId: issued.id } },
    }),
  );
  const refused = refusalOf(await bearer.GET('/api/admin/service-account'), 401);

  expectNoBody(await owner.DELETE('/api/admin/service-account/{id}', { params: { path } }));
  const left = bodyOf(await owner.GET('/api/admin/service-account'));
  return {
    secret: issued.secret,
    listed: pats,
    accountsSeen: serviceAccounts.map(({ username }) => username),
    refusals: [forbidden.name, refused.name],
    accountsLeft: left.serviceAccounts.length,
  };
}
