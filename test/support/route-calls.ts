import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from './callers.js';
import type { Client } from './http.js';
import type { Keyward } from './keyward.js';
import type { DialectName } from './route-dialects.js';
import { parametersOf, type Route } from './route-list.js';
import type { Token } from './wire.js';

/** Things of one organization, for the operations to be about. */
export interface Scene {
  readonly owner: Person;
  readonly organizationId: string;
  /** Values of the parameters in paths, by name, or by what `names` of an operation says. */
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
  /** What the parameters of its path stand for in a scene, where that has another name there. */
  readonly names?: Values;
  /** In which form its refusals are, where that is not the native one. */
  readonly dialect?: DialectName;
  /** It gives away all that the role of the caller allows, so nobody with less succeeds. */
  readonly grantsTheRole?: true;
  /** Open to everybody, since its answer is whether the request has a good token. */
  readonly judgesTheBearer?: true;
}

const OF_ORGANIZATION = { names: { tokenSlug: 'tokenSlug of organization' } };
const OF_PERSON = { names: { tokenSlug: 'tokenSlug of person' } };
const UNLEASH: Pick<Operation, 'dialect' | 'names'> = {
  dialect: 'unleash',
  names: { id: 'accountNumber', tokenId: 'tokenNumber' },
};
const KATAPULT: Pick<Operation, 'success' | 'dialect' | 'names'> = {
  success: 200,
  dialect: 'katapult',
  names: { organization: 'organizationId of katapult', api_token: 'tokenId of katapult' },
};
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
  unleashListServiceAccounts: { ...UNLEASH, success: 200 },
  unleashCreateServiceAccount: {
    ...UNLEASH,
    success: 201,
    body: ({ roleNumber }) => ({ username: unique('bot'), name: unique('Bot'), rootRole: Number(roleNumber) }),
  },
  unleashUpdateServiceAccount: { ...UNLEASH, success: 200, body: () => ({ name: unique('Renamed') }) },
  unleashDeleteServiceAccount: { ...UNLEASH, success: 200 },
  unleashListTokens: { ...UNLEASH, success: 200 },
  unleashCreateToken: { ...UNLEASH, success: 201, body: pat },
  unleashDeleteToken: { ...UNLEASH, success: 200 },
  unleashListUserTokens: { ...UNLEASH, success: 200 },
  unleashCreateUserToken: { ...UNLEASH, success: 201, body: pat, grantsTheRole: true },
  unleashDeleteUserToken: { ...UNLEASH, success: 200, names: { id: 'tokenNumber of person' } },
  katapultListOrganizations: KATAPULT,
  katapultGetOrganization: KATAPULT,
  katapultListApiTokens: KATAPULT,
  katapultCreateApiToken: {
    ...KATAPULT,
    body: ({ organization }) => ({ organization: { id: organization }, properties: { name: unique('Token') } }),
  },
  katapultUpdateApiToken: { ...KATAPULT, body: () => ({ properties: { name: unique('Renamed') } }) },
  katapultDeleteApiToken: { ...KATAPULT, body: ({ api_token }) => ({ api_token: { id: api_token } }) },
  katapultRegenerateApiTokenSecret: KATAPULT,
};

function pat(): object {
  return { description: unique('Token'), expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
}

/** Makes an organization with one of everything. Its custom roles are empty, so that everybody may give and take it. */
export async function setScene(keyward: Keyward): Promise<Scene> {
  const owner = await signInOwner(keyward, { name: unique('Owner') });
  const organization = expectStatus(await owner.get<{ id: string; slug: string }>('/organization'), 200);
  const accountSlug = unique('account');
  const account = await createAccount(owner, { name: unique('Account'), slug: accountSlug });
  const token = await issueToken(owner, accountSlug, { slug: unique('token'), scopes: [] });
  const [ofOrganization, ofPerson] = [unique('token'), unique('token')];
  const tokenAt = async (path: string, slug: string): Promise<Token> =>
    expectStatus(await owner.post<Token>(path, { body: { name: unique('Token'), slug, scopes: [] } }), 201);
  await tokenAt('/organization/tokens', ofOrganization);
  const personal = await tokenAt('/user/tokens', ofPerson);
  const [role, roleOfMember] = [unique('role'), unique('role')].map((slug) => ({
    slug,
    name: unique('Role'),
    scopes: [],
  }));
  const addRole = async (body: object): Promise<{ number: number }> =>
    expectStatus(await owner.post<{ number: number }>('/organization/roles', { body }), 201);
  const { number: roleNumber } = await addRole(role!);
  await addRole(roleOfMember!);
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
      accountNumber: String(account.number),
      tokenNumber: String(token.number),
      'tokenNumber of person': String(personal.number),
      'organizationId of katapult': `org_${organization.id}`,
      'tokenId of katapult': `tok_${token.id}`,
      roleSlug: role!.slug,
      roleNumber: String(roleNumber),
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
  const named = parametersOf(route).map((name) => [name, parameters[thingBehind(route, name)]]);
  return { ...parameters, ...(Object.fromEntries(named) as Values) };
}

/** What a parameter of a route stands for in a scene. */
export function thingBehind(route: Route, name: string): string {
  return OPERATIONS[route.operationId]?.names?.[name] ?? name;
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
