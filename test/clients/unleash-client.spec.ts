import { type Person, signInOwner } from '../support/callers.js';
import { runClientScript } from '../support/clients.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { listAccounts, unleash } from '../support/unleash.js';
import { tellUnleashStory, type UnleashStory } from './stories/unleash.story.js';

let keyward: Keyward;
let owner: Person;
beforeAll(async () => void (keyward = await startKeyward()));
afterAll(() => keyward?.close());
beforeEach(async () => void (owner = await signInOwner(keyward)));

describe('a client generated from the document of Unleash', () => {
  it('tells the story of a service account and its token', async () => {
    const story = await tellUnleashStory(keyward.url, owner.token);
    expect(story).toEqual<UnleashStory>({
      secret: expect.stringMatching(/^kws_/),
      listed: [expect.objectContaining({ description: 'Wall display', seenAt: null })],
      accountsSeen: ['dashboard'],
      refusals: ['PermissionError', 'UnauthorizedError'],
      accountsLeft: 0,
    });
    expect(JSON.stringify(story.listed)).not.toContain(story.secret);
  });
});

describe('docs/clients/unleash.mjs', () => {
  it('tells the same story, a line for each step, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await runClientScript('unleash', keyward.url, owner.token);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'Found the role Viewer, number 3.',
      expect.stringMatching(/^Created the service account \d+, dashboard-\d+\.$/),
      expect.stringMatching(/^Issued the token \d+\. Its secret, kws_\w{4}…, is in this answer and in no other\.$/),
      expect.stringMatching(/^Listed: \d+, Wall display, never used\.$/),
      'Used it: it reads its own account, Dashboard.',
      'It is no administrator: PermissionError.',
      'Deleted the token. It is refused: UnauthorizedError.',
      expect.stringMatching(/^Deleted the service account \d+\.$/),
    ]);
    expect(await listAccounts(unleash(owner))).toEqual([]);
  });

  it('ends with 1 and the answer where it is refused', async () => {
    const { code, stdout, stderr } = await runClientScript('unleash', keyward.url, 'nonsense');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/answered with 401, and not 200: .*UnauthorizedError/);
  });
});
