import { type Person, signInOwner } from '../support/callers.js';
import { runClientScript } from '../support/clients.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { type NativeStory, tellNativeStory } from './stories/native.story.js';

let keyward: Keyward;
let owner: Person;
beforeAll(async () => void (keyward = await startKeyward()));
afterAll(() => keyward?.close());
beforeEach(async () => void (owner = await signInOwner(keyward)));

describe('a client generated from the native document', () => {
  it('tells the story of a service account and its token', async () => {
    const story = await tellNativeStory(keyward.url, owner.token);
    const listed = [
      expect.objectContaining({
        name: 'Nightly run',
        scopes: ['service_accounts:read'],
        annotations: { team: 'payments' },
        status: 'active',
      }),
    ];
    expect(story).toEqual<NativeStory>({
      secret: expect.stringMatching(/^kws_/),
      listed,
      firstPage: listed,
      accountsSeen: [expect.stringMatching(/^ksa_/)],
      verdicts: ['VALID', 'REVOKED'],
      refusal: 'authentication.invalid',
      afterwards: 'service_account.not_found',
    });
    expect(JSON.stringify(story.listed)).not.toContain(story.secret);
  });
});

describe('docs/clients/native.mjs', () => {
  it('tells the same story, a line for each step, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await runClientScript('native', keyward.url, owner.token);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'Created the service account billing.',
      expect.stringMatching(
        /^Issued the token nightly-run\. Its secret, kws_\w{4}…, is in this answer and in no other\.$/,
      ),
      'Listed: Nightly run, active, service_accounts:read invoices:create.',
      'Used it: it reads 1 service account(s).',
      'Verified it: VALID.',
      'Revoked it: REVOKED.',
      'It is refused: authentication.invalid.',
      'Deleted the service account billing.',
    ]);
    expect((await owner.get('/service-accounts')).body).toEqual([]);
  });

  it('ends with 1 and the answer where it is refused', async () => {
    const { code, stdout, stderr } = await runClientScript('native', keyward.url, 'nonsense');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/answered with 401, and not 201: .*authentication\.invalid/);
  });
});
