import { expectStatus } from '../support/callers.js';
import {
  type KatapultOrganization,
  KatapultTenant,
  ORGANIZATION,
  ORGANIZATION_ID,
  ORGANIZATIONS,
} from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';

let keyward: Keyward;
let tenant: KatapultTenant;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  tenant = await KatapultTenant.create(keyward);
});

describe('the list of organizations', () => {
  it('has the one of the caller, with every member', async () => {
    const native = expectStatus(
      await tenant.owner.get<{ name: string; slug: string; createdAt: string }>('/organization'),
      200,
    );
    const answer = await tenant.caller.get<{ organizations: KatapultOrganization[] }>(ORGANIZATIONS);
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        organizations: [
          {
            id: expect.stringMatching(ORGANIZATION_ID),
            name: native.name,
            sub_domain: native.slug,
            created_at: expect.any(Number),
            suspended: false,
          },
        ],
      },
    ]);
    const { created_at } = answer.body.organizations[0]!;
    expect(Number.isInteger(created_at)).toBe(true);
    expect(Math.abs(created_at - Date.parse(native.createdAt) / 1_000)).toBeLessThan(1);
  });

  it('is the same for a token of the organization', async () => {
    const { body } = await tenant.caller.get(ORGANIZATIONS);
    expect((await (await tenant.holder('organizations:read')).get(ORGANIZATIONS)).body).toEqual(body);
  });

  it('shows nothing of another organization', async () => {
    const theirs = await KatapultTenant.create(keyward);
    const answer = await tenant.caller.get(ORGANIZATIONS);
    expect(answer.text).not.toContain(theirs.organization.id);
    expect(answer.text).not.toContain(theirs.organization.sub_domain);
  });

  it('shows a name as it was changed in the native dialect', async () => {
    expectStatus(await tenant.owner.patch('/organization', { body: { name: 'Acme Ltd' } }), 200);
    const expected = { ...tenant.organization, name: 'Acme Ltd' };
    expect((await tenant.caller.get(ORGANIZATIONS)).body).toEqual({ organizations: [expected] });
  });
});

describe('one organization', () => {
  it('is shown with the members that it has in the list', async () => {
    const answer = await tenant.caller.get(`${ORGANIZATION}?organization[id]=${tenant.organization.id}`);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body as object)).toEqual(['organization']);
    expect(answer.body).toMatchObject({ organization: tenant.organization });
  });

  it('is found by its sub_domain, which is the slug of the native dialect', async () => {
    const { slug } = expectStatus(await tenant.owner.get<{ slug: string }>('/organization'), 200);
    const answer = await tenant.caller.get(ORGANIZATION, { body: { organization: { sub_domain: slug } } });
    expect(answer.body).toMatchObject({ organization: tenant.organization });
  });

  it('keeps its id', async () => {
    const { body } = await tenant.caller.get(ORGANIZATIONS);
    expect(body).toEqual({ organizations: [tenant.organization] });
  });
});
