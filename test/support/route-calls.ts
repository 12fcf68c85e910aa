import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from './callers.js';
import type { Client } from './http.js';
import type { Keyward } from './keyward.js';
import { parametersOf, type Route } from './route-list.js';

/** Things of one organization, for the operations to be about. */
export interface Scene {
  readonly owner: Person;
  readonly organizationId: string;
  /** Values of the parameters in paths. */
  readonly parameters: Readonly<Record<string, string>>;
  /** What identifies something of this organization and must never be shown to another one. */
  readonly identifiers: readonly string[];
}

/** A request without its credential. */
export interface Call {
  readonly method: string;
  readonly path: string;
  /** Text is a form. */
  readonly body?: object | string;
  readonly headers: Readonly<Record<string, string>>;
}

type Values = Readonly<Record<string, string>>;

interface Operation {
  readonly success: number;
  readonly body?: (values: Values) => object | string;
  /** Names of values in the body that stand for a thing of the organization, as parameters of the path do. */
  readonly about?: readonly string[];
  /** What is answered with success about a thing that is not there, or not there for the caller. */
  readonly unknown?: string;
  /** Whose token `tokenSlug` is, where it is not the service account's. */
  readonly tokenOf?: 'organization' | 'person';
  /** In which form its refusals are. */
  readonly dialect?: 'oauth';
  /** Open to everybody, since its answer is whether the request has a good token. */
  readonly judgesTheBearer?: true;
}

const OF_ORGANIZATION = { tokenOf: 'organization' } as const;
const OF_PERSON = { tokenOf: 'person' } as const;
const ABOUT_A_SECRET = { success: 200, about: ['secret'] };

/**
 * How each operation is called so that it succeeds with no more than its own scope. A route that is missing here fails
 * the walk: whoever adds one says with it how it is called.
 */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  getLiveness: { success: 200 },
  getReadiness: { success: 200 },
  getMetrics: { success: 200 },
  listProblems: { success: 200 },
  getProblem: { success: 200 },
  forwardAuth: { success: 200, judgesTheBearer: true },
  listScopes: { success: 200 },
  getCurrentToken: { success: 200 },
  verifyToken: {
    ...ABOUT_A_SECRET,
    body: ({ secret }) => ({ token: secret }),
    unknown: '{"valid":false,"code":"NOT_FOUND"}',
  },
  verifyTokens: {
    ...ABOUT_A_SECRET,
    body: ({ secret }) => ({ tokens: [{ token: secret }] }),
    unknown: '{"results":[{"valid":false,"code":"NOT_FOUND"}]}',
  },
  introspectToken: {
    ...ABOUT_A_SECRET,
    body: ({ secret }) => `token=${secret}`,
    unknown: '{"active":false}',
    dialect: 'oauth',
  },
  listAuditEvents: { success: 200 },
  getOrganization: { success: 200 },
  updateOrganization: { success: 200, body: () => ({ name: unique('Renamed') }) },
  listMembers: { success: 200 },
  addMember: { success: 201, body: ({ roleSlug }) => ({ subject: unique('subject'), role: roleSlug }) },
  getMember: { success: 200 },
  updateMember: { success: 200, body: ({ roleSlug }) => ({ role: roleSlug }) },
  removeMember: { success: 204 },
  listRoles: { success: 200 },
  createRole: { success: 201, body: () => ({ name: unique('Role'), scopes: [] }) },
  getRole: { success: 200 },
  updateRole: { success: 200, body: () => ({ name: unique('Role'), scopes: [] }) },
  deleteRole: { success: 204 },
  listOrganizations: { success: 200 },
  createOrganization: { success: 201, body: () => ({ name: unique('Tenant') }) },
  getOrganizationBySlug: { success: 200 },
  suspendOrganization: { success: 200 },
  resumeOrganization: { success: 200 },
  listServiceAccounts: { success: 200 },
  createServiceAccount: { success: 201, body: () => ({ name: unique('Account') }) },
  getServiceAccount: { success: 200 },
  updateServiceAccount: { success: 204, body: () => ({ name: unique('Renamed') }) },
  deleteServiceAccount: { success: 204 },
  disableServiceAccount: { success: 200 },
  enableServiceAccount: { success: 200 },
  listTokens: { success: 200 },
  createToken: { success: 201, body: () => ({ name: unique('Token'), scopes: [] }) },
  getToken: { success: 200 },
  updateToken: { success: 200, body: () => ({ name: unique('Renamed') }) },
  revokeToken: { success: 204 },
  rotateToken: { success: 200, body: () => ({}) },
  listOrganizationTokens: { success: 200 },
  createOrganizationToken: { success: 201, body: () => ({ name: unique('Token'), scopes: [] }) },
  getOrganizationToken: { ...OF_ORGANIZATION, success: 200 },
  updateOrganizationToken: { ...OF_ORGANIZATION, success: 200, body: () => ({ name: unique('Renamed') }) },
  revokeOrganizationToken: { ...OF_ORGANIZATION, success: 204 },
  rotateOrganizationToken: { ...OF_ORGANIZATION, success: 200, body: () => ({}) },
  listUserTokens: { success: 200 },
  createUserToken: { success: 201, body: () => ({ name: unique('Token'), scopes: [] }) },
  getUserToken: { ...OF_PERSON, success: 200 },
  updateUserToken: { ...OF_PERSON, success: 200, body: () => ({ name: unique('Renamed') }) },
  revokeUserToken: { ...OF_PERSON, success: 204 },
  rotateUserToken: { ...OF_PERSON, success: 200, body: () => ({}) },
};

/** Makes an organization with one of everything. Its custom roles are empty, so that everybody may give and take it. */
export async function setScene(keyward: Keyward): Promise<Scene> {
  const owner = await signInOwner(keyward, { name: unique('Owner') });
  const organization = expectStatus(await owner.get<{ id: string; slug: string }>('/organization'), 200);
  const accountSlug = unique('account');
  const account = await createAccount(owner, { name: unique('Account'), slug: accountSlug });
  const token = await issueToken(owner, accountSlug, { slug: unique('token'), scopes: [] });
  const [ofOrganization, ofPerson] = [unique('token'), unique('token')];
  for (const [path, slug] of [
    ['/organization/tokens', ofOrganization],
    ['/user/tokens', ofPerson],
  ] as const)
    expectStatus(await owner.post(path, { body: { name: unique('Token'), slug, scopes: [] } }), 201);
  const [role, roleOfMember] = [unique('role'), unique('role')].map((slug) => ({
    slug,
    name: unique('Role'),
    scopes: [],
  }));
  for (const body of [role, roleOfMember]) expectStatus(await owner.post('/organization/roles', { body }), 201);
  const person = { subject: unique('subject'), name: unique('Person'), role: roleOfMember!.slug };
  const member = expectStatus(await owner.post<{ id: string }>('/organization/members', { body: person }), 201);
  return {
    owner,
    organizationId: organization.id,
    parameters: {
      organizationSlug: organization.slug,
      serviceAccountSlug: accountSlug,
      tokenSlug: token.slug,
      'tokenSlug of organization': ofOrganization,
      'tokenSlug of person': ofPerson,
      roleSlug: role!.slug,
      userId: member.id,
      code: 'token.not_found',
      secret: token.token,
    },
    identifiers: [
      organization.id,
      organization.slug,
      account.id,
      account.externalId,
      account.name,
      token.id,
      token.name,
      ofOrganization,
      ofPerson,
      role!.slug,
      role!.name,
      roleOfMember!.slug,
      member.id,
      person.name,
      owner.claims.name!,
    ],
  };
}

/** The things of a scene under the names that they have in a route. */
export function valuesOf(route: Route, { parameters }: Scene): Values {
  const { tokenOf } = OPERATIONS[route.operationId] ?? {};
  const tokenSlug = parameters[tokenOf === undefined ? 'tokenSlug' : `tokenSlug of ${tokenOf}`]!;
  return { ...parameters, tokenSlug };
}

/** The request of a route about things of a scene, some of them replaced. */
export function callOf(route: Route, scene: Scene, replaced: Values = {}): Call {
  const values = { ...valuesOf(route, scene), ...replaced };
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`No scene has a value for {${name}} of ${route.path}.`);
    return value;
  });
  const operation = OPERATIONS[route.operationId];
  if (operation === undefined) throw new Error(`OPERATIONS does not say how ${route.operationId} is called.`);
  const body = operation.body?.(values);
  const headers: Call['headers'] =
    typeof body === 'string' ? { 'content-type': 'application/x-www-form-urlencoded' } : {};
  return { method: route.method, path, ...(body === undefined ? {} : { body }), headers };
}

/** Names of the values that stand for things of the organization, in the path and in the body. */
export function thingsOf(route: Route): string[] {
  return [...parametersOf(route), ...(OPERATIONS[route.operationId]?.about ?? [])];
}

/** Every choice of one or more things that a route is about, taken from some values. */
export function replacements(route: Route, values: Values): Record<string, string>[] {
  const choices = thingsOf(route).reduce<string[][]>(
    (chosen, name) => chosen.flatMap((names) => [names, [...names, name]]),
    [[]],
  );
  return choices.slice(1).map((names) => Object.fromEntries(names.map((name) => [name, values[name]!])));
}

/** A token of the scene's organization that may do just this. */
export async function holderOf(scene: Scene, scopes: readonly string[]): Promise<Client> {
  const { token } = await issueToken(scene.owner, scene.parameters['serviceAccountSlug']!, { scopes });
  return scene.owner.holding(token);
}
