import { createAccount, expectStatus, issueToken, type Person, signInOwner, unique } from '../support/callers.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import { expectInvalid, expectProblem } from '../support/problems.js';
import { SLUG } from '../support/wire.js';

let keyward: Keyward;
let owner: Person;

beforeAll(async () => {
  keyward = await startKeyward();
});
afterAll(() => keyward?.close());
beforeEach(async () => {
  owner = await signInOwner(keyward);
});

const AUTOMATIC_SLUGS: [string, string][] = [
  ['Deploy Bot', 'deploy-bot'],
  ['  --Deploy__Bot!!  v2.0 ', 'deploy-bot-v2-0'],
  ['ci/cd & co.', 'ci-cd-co'],
  ['Élan Vital à Győr', 'elan-vital-a-gyor'],
  ['Ærøskøbing', 'aeroskobing'],
  ['Œuvre', 'oeuvre'],
  ['Straße', 'strasse'],
  ['Þór', 'thor'],
  ['Łódź', 'lodz'],
  ['Đorđe', 'dorde'],
  ['Ðað', 'dad'],
  ['Diyarbakır', 'diyarbakir'],
  ['İstanbul', 'istanbul'],
  ['ÆÐĐŁØŒÞ', 'aeddlooeth'],
  ["O'Brien's bot", 'obriens-bot'],
  ['L’été d’Anna', 'lete-danna'],
  ['e\u0301clair', 'eclair'],
];

describe('an automatic slug', () => {
  it.each(AUTOMATIC_SLUGS)('of %j is %s', async (name, slug) => {
    const account = await createAccount(owner, { name });
    expect(account).toMatchObject({ name, slug });
    expect((await issueToken(owner, slug, { name })).slug).toBe(slug);
  });

  it.each([['日本語'], ['x'], ['!'], ['🔑'], ["''"]])(
    'of %j, which leaves too little, is still a slug',
    async (name) => {
      const first = await createAccount(owner, { name });
      const second = await createAccount(owner, { name });
      expect(first.slug).toMatch(SLUG);
      expect(second.slug).toMatch(SLUG);
      expect(second.slug).not.toBe(first.slug);
    },
  );

  it.each([
    ['100 letters', 'a'.repeat(100)],
    ['letters that become two each', 'ß'.repeat(100)],
    ['a space where it is cut', `${'ß'.repeat(49)}b ${'c'.repeat(49)}`],
  ])('of %s has at most 100 characters, also when it is taken', async (_what, name) => {
    const first = await createAccount(owner, { name });
    const second = await createAccount(owner, { name });
    expect(first.slug).toMatch(SLUG);
    expect(second.slug).toMatch(SLUG);
    expect(second.slug).toMatch(/-[0-9a-f]{6}$/);
  });

  it('that is taken gets a hyphen and six hexadecimal digits', async () => {
    const slugs = [
      (await createAccount(owner, { name: 'Deploy bot' })).slug,
      (await createAccount(owner, { name: 'Deploy bot' })).slug,
      (await createAccount(owner, { name: 'DEPLOY BOT!' })).slug,
    ];
    expect(slugs).toEqual([
      'deploy-bot',
      expect.stringMatching(/^deploy-bot-[0-9a-f]{6}$/),
      expect.stringMatching(/^deploy-bot-[0-9a-f]{6}$/),
    ]);
    expect(new Set(slugs).size).toBe(3);

    const first = await issueToken(owner, 'deploy-bot', { name: 'Night run' });
    const second = await issueToken(owner, 'deploy-bot', { name: 'Night-run' });
    expect([first.slug, second.slug]).toEqual(['night-run', expect.stringMatching(/^night-run-[0-9a-f]{6}$/)]);
  });
});

describe('a slug that is sent', () => {
  it.each(['ab', '42', 'a1', 'a-b', 'a--b', '0-0', 'a'.repeat(100)])('is taken as it is: %s', async (slug) => {
    expect((await createAccount(owner, { name: 'Given', slug })).slug).toBe(slug);
    expect((await issueToken(owner, slug, { name: 'Given', slug })).slug).toBe(slug);
    expectStatus(await owner.get(`/service-accounts/${slug}`), 200);
    expectStatus(await owner.delete(`/service-accounts/${slug}/tokens/${slug}`), 204);
  });

  it.each([
    'a',
    'a'.repeat(101),
    'Deploy',
    '-ab',
    'ab-',
    'a_b',
    'a b',
    'a.b',
    'a/b',
    'éa',
    'ab\n',
    '\nab',
    'ab\u0000',
    '',
    42,
    ['ab'],
    { slug: 'ab' },
    false,
  ])('is refused when it breaks the pattern: %j', async (slug) => {
    const { slug: accountSlug } = await createAccount(owner);
    expectInvalid(await owner.post('/service-accounts', { body: { name: 'Given', slug } }), 'body.slug');
    const body = { name: 'Given', scopes: ['orders:read'], slug };
    expectInvalid(await owner.post(`/service-accounts/${accountSlug}/tokens`, { body }), 'body.slug');
  });

  it('is refused with 409 when another account of the organization has it', async () => {
    const { slug } = await createAccount(owner, { name: 'First', slug: unique('taken') });
    const answer = await owner.post('/service-accounts', { body: { name: 'Second', slug } });
    expectProblem(answer, 409, 'service_account.slug_taken');
  });

  it('is refused with 409 when another token of the account has it', async () => {
    const { slug } = await createAccount(owner);
    await issueToken(owner, slug, { name: 'First', slug: 'taken' });
    const body = { name: 'Second', slug: 'taken', scopes: ['orders:read'] };
    expectProblem(await owner.post(`/service-accounts/${slug}/tokens`, { body }), 409, 'token.slug_taken');
  });

  it('may be that of an account of another organization', async () => {
    const slug = unique('shared');
    const stranger = await signInOwner(keyward);
    const mine = await createAccount(owner, { name: 'Mine', slug });
    const theirs = await createAccount(stranger, { name: 'Theirs', slug });
    expect((await owner.get(`/service-accounts/${slug}`)).body).toEqual(mine);
    expect((await stranger.get(`/service-accounts/${slug}`)).body).toEqual(theirs);
  });
});
