import { runClientScript } from '../support/clients.js';
import { KatapultTenant, ORGANIZATION_SECRET, TOKEN_ID } from '../support/katapult.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { type KatapultStory, tellKatapultStory } from './stories/katapult.story.js';

let keyward: Keyward;
let tenant: KatapultTenant;
beforeAll(async () => void (keyward = await startKeyward()));
afterAll(() => keyward?.close());
beforeEach(async () => void (tenant = await KatapultTenant.create(keyward)));

describe('a client generated from the document of Katapult', () => {
  it('tells the story of a token', async () => {
    const story = await tellKatapultStory(keyward.url, tenant.owner.token);
    const id = expect.stringMatching(TOKEN_ID);
    const secret = expect.stringMatching(ORGANIZATION_SECRET);
    expect(story).toEqual<KatapultStory>({
      secrets: [secret, secret],
      listed: [expect.objectContaining({ id, name: 'Deploy', organization_id: tenant.organization.id, secret: null })],
      listedOfAnotherTeam: [],
      total: 1,
      seen: [id],
      refusal: 'invalid_api_token',
      deleted: id,
      afterwards: 'api_token_not_found',
    });
    expect(new Set(story.secrets).size).toBe(2);
  });
});

describe('docs/clients/katapult.mjs', () => {
  it('tells the same story, a line for each step, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await runClientScript('katapult', keyward.url, tenant.owner.token);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      `Found the organization ${tenant.organization.sub_domain}.`,
      expect.stringMatching(
        /^Created the token tok_\S+\. Its secret, kwo_\w{4}…, is in this answer and in no other\.$/,
      ),
      'Listed: it is among the 1 of the team payments.',
      'Used it: it reads 1 token(s) of its organization.',
      'Regenerated its secret. The new one works, the old one is refused: invalid_api_token.',
      expect.stringMatching(/^Deleted the token tok_\S+\.$/),
    ]);
    expect((await tenant.list()).api_tokens).toEqual([]);
  });

  it('ends with 1 and the answer where it is refused', async () => {
    const { code, stdout, stderr } = await runClientScript('katapult', keyward.url, 'nonsense');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/answered with 403, and not 200: .*invalid_api_token/);
  });
});
