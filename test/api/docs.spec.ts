import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SETTINGS } from '../../src/config/settings.js';
import { formOf, generateSecret } from '../../src/tokens/token-secret.js';
import { jwt } from '../support/http.js';
import { type Keyward, startKeyward } from '../support/keyward.js';
import type { IssuedToken, ServiceAccount, Token } from '../support/wire.js';

const run = promisify(execFile);

const PAGES = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const PAGE_LINES_MAX = 80;

/** Names in capitals that are no settings of the service. */
const OTHER_NAMES = new Set(['KEYWARD_PORT']);

function read(page: string): string {
  return readFileSync(page, 'utf8');
}

function blocksOf(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, text = '']) => text,
  );
}

/** What GitHub makes of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

describe.each(PAGES)('%s', (page) => {
  it('has no link that leads nowhere', () => {
    const prose = read(page).replace(/^```[\s\S]*?^```$/gm, '');
    const links = [...prose.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(target)) return true;
      const headings =
        anchor === undefined
          ? []
          : [...read(target).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
      return anchor !== undefined && !headings.includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('names no setting that does not exist', () => {
    const named = [...read(page).matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !Object.hasOwn(SETTINGS, name) && !OTHER_NAMES.has(name))).toEqual([]);
  });

  it('names no route that does not exist', () => {
    const routes = read('openapi/routes.txt')
      .split('\n')
      .map((line) => line.split(' ', 2).join(' '));
    const documents = ['GET /docs', ...readdirSync('openapi').map((name) => `GET /openapi/${name}`)];
    const named = [...read(page).matchAll(/`((?:GET|POST|PUT|PATCH|DELETE) \/[^\s`?]*)/g)].map(
      ([, route = '']) => route,
    );
    expect(named.filter((route) => !routes.includes(route) && !documents.includes(route))).toEqual([]);
  });
});

describe('a page that promises to be one page', () => {
  it.each(['docs/ARCHITECTURE.md', ...PAGES.filter((page) => page.startsWith(join('docs', 'decisions')))])(
    '%s is',
    (page) => {
      expect(read(page).split('\n').length - 1).toBeLessThanOrEqual(PAGE_LINES_MAX);
    },
  );
});

describe('the example in docs/security.md', () => {
  const [example = ''] = /\bkws_[0-9A-Za-z]{49}\b/.exec(read('docs/security.md')) ?? [];

  it('is a secret with a good checksum', () => {
    expect(formOf('kw', example)).toBe('ours');
  });

  it('is what its code computes', async () => {
    const [code = ''] = blocksOf('docs/security.md', 'js');
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code]);
    expect(stdout.trim()).toBe(example);
  });

  it('is found, and every other secret with it, by the pattern for scanners', () => {
    const [pattern = ''] = /^kw\[sop\].*$/m.exec(read('docs/security.md')) ?? [];
    const secrets = [example, generateSecret('kw', 's'), generateSecret('kw', 'o'), generateSecret('kw', 'p')];
    expect(secrets.map((secret) => new RegExp(`^${pattern}$`).test(secret))).toEqual([true, true, true, true]);
  });
});

describe('README.md', () => {
  it('offers the two commands, each on a line of its own', () => {
    expect(read('README.md').split('\n')).toEqual(
      expect.arrayContaining(['npm ci && npm start', 'npm ci && npm test']),
    );
  });

  it('has a curl for each other dialect, and each of them works', async () => {
    const [, section = ''] = /<!-- dialects -->([\s\S]*)<!-- end of the dialects -->/.exec(read('README.md')) ?? [];
    const commands = [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
    expect(commands).toHaveLength(section === '' ? 0 : readdirSync('src/compat').length); // a copy without a dialect has no section
    const keyward = await startKeyward();
    const JWT = await jwt({ org: 'demo', sub: 'demo-owner', name: 'Demo Owner', role: 'owner' });
    const env = { PATH: process.env['PATH'], KEYWARD: keyward.url, JWT };
    const answers = commands.map((command) => run('bash', ['-c', command.replace('curl', 'curl --fail')], { env }));
    const told = (await Promise.all(answers)).map(({ stdout }) => JSON.parse(stdout) as object);
    if (section !== '')
      expect(told).toEqual([
        expect.objectContaining({ username: 'reporting', rootRole: 3 }),
        expect.objectContaining({ api_token: expect.objectContaining({ name: 'Provisioning' }) }),
      ]);
    await keyward.close();
  });

  describe('tells a story', () => {
    const MARK = '--- next ---';
    let keyward: Keyward | undefined;
    let directory: string | undefined;
    let answers: string[];

    beforeAll(async () => {
      keyward = await startKeyward();
      directory = mkdtempSync(join(tmpdir(), 'keyward-story-'));
      const blocks = blocksOf('README.md', 'sh');
      const script = blocks
        .join(`\necho; echo '${MARK}'\n`)
        .replace(/^KEYWARD=.*$/m, `KEYWARD=${keyward.url}`)
        .replace(/^(curl -sS -X DELETE .*)$/m, `$1\necho; echo '${MARK}'`);
      const credential = await jwt({ org: 'demo', sub: 'demo-owner', name: 'Demo Owner', role: 'owner' });
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: directory,
        env: { PATH: process.env['PATH'], JWT: credential },
      });
      answers = stdout.split(`${MARK}\n`).map((answer) => answer.trim());
    });

    afterAll(async () => {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      await keyward?.close();
    });

    const answer = <T>(index: number): T => JSON.parse(answers[index] ?? '') as T;

    it('of as many steps as there are blocks, and the revocation twice', () => {
      expect(answers).toHaveLength(8);
    });

    it('in which the service account is created', () => {
      expect(answer<ServiceAccount>(1)).toMatchObject({ slug: 'billing', name: 'Billing', tokens: [] });
    });

    it('in which the token is issued, and its secret shown', () => {
      const issued = answer<IssuedToken>(2);
      expect(issued).toMatchObject({ slug: 'nightly-run', scopes: ['service_accounts:read', 'invoices:create'] });
      expect(formOf('kw', issued.token)).toBe('ours');
    });

    it('in which the list shows the token without its secret', () => {
      expect(answer<Token[]>(3)).toEqual([expect.objectContaining({ slug: 'nightly-run', status: 'active' })]);
      expect(answers[3]).not.toContain('kws_');
    });

    it('in which the token is a credential', () => {
      expect(answer<ServiceAccount[]>(4)).toEqual([expect.objectContaining({ slug: 'billing' })]);
    });

    it('in which a service learns that the token is good', () => {
      expect(answer<object>(5)).toMatchObject({ valid: true, code: 'VALID' });
    });

    it('in which the token is revoked, and good no more', () => {
      expect(answers[6]).toBe('');
      expect(answer<object>(7)).toMatchObject({ valid: false, code: 'REVOKED' });
    });
  });
});
