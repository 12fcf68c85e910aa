import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Config, ConfigError } from '../../src/config/config.js';
import { exampleEnvironment, SETTINGS } from '../../src/config/settings.js';
import { createDatabase, dropDatabase } from '../support/databases.js';
import { Client } from '../support/http.js';
import { CompiledKeyward } from '../support/process.js';

const PEPPER = `k1:${Buffer.alloc(32, 'p').toString('base64')}`;
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://user:a-password@host:5432/keyward',
  TOKEN_PEPPERS: PEPPER,
  AUTH_JWT_SECRET: 'a-secret-of-thirty-two-characters',
} as const;

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'keyward-configuration-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

function load(environment: Record<string, string>): Config {
  return Config.load({ DATA_DIR: join(directory, 'data'), ...environment });
}

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function namesIn(problems: readonly string[]): string[] {
  return problems.map((problem) => problem.split(' ')[0]!).sort();
}

describe('in production', () => {
  it('names every variable that is missing and what to set, and invents nothing', () => {
    const problems = problemsOf({ NODE_ENV: 'production' });
    expect(namesIn(problems)).toEqual(['AUTH_ISSUER', 'DATABASE_URL', 'TOKEN_PEPPERS']);
    for (const problem of problems) expect(problem).toMatch(/is not set: .*\bset\b/);
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });

  it.each(['DATABASE_URL', 'TOKEN_PEPPERS'])('names %s alone where only that is missing, or empty', (name) => {
    expect(namesIn(problemsOf({ ...PRODUCTION, [name]: '' }))).toEqual([name]);
  });

  it('takes a JWT secret, or an issuer with its audience, for the trust in JWTs', () => {
    const { AUTH_JWT_SECRET: secret, ...withoutTrust } = PRODUCTION;
    const issuer = { AUTH_ISSUER: 'https://id.example.com' };
    expect(namesIn(problemsOf(withoutTrust))).toEqual(['AUTH_ISSUER']);
    expect(namesIn(problemsOf({ ...withoutTrust, ...issuer }))).toEqual(['AUTH_AUDIENCE']);
    expect(load({ ...withoutTrust, ...issuer, AUTH_AUDIENCE: 'keyward' }).jwtSecret).toBeUndefined();
    expect(load({ ...withoutTrust, AUTH_JWT_SECRET: secret }).jwtSecret).toBe(secret);
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });
});

describe('outside of production', () => {
  it('makes the secrets that are missing, readable by their owner only, and the same at the next start', async () => {
    const first = load({});
    const second = load({});
    expect(second.peppers).toEqual(first.peppers);
    expect(second.jwtSecret).toBe(first.jwtSecret);
    expect(first.peppers[0].key.length).toBeGreaterThanOrEqual(32);
    for (const name of ['pepper.secret', 'jwt-secret.secret']) {
      expect((await stat(join(directory, 'data', name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(join(directory, 'data'))).mode & 0o777).toBe(0o700);
    expect(await readFile(join(directory, 'data', 'pepper.secret'), 'utf8')).not.toBe(
      await readFile(join(directory, 'data', 'jwt-secret.secret'), 'utf8'),
    );
  });

  it('makes no JWT secret beside an issuer', () => {
    const config = load({ AUTH_ISSUER: 'https://id.example.com', AUTH_AUDIENCE: 'keyward' });
    expect(config.jwtSecret).toBeUndefined();
  });
});

describe('the configuration', () => {
  /** A value that no setting but one of free text accepts. */
  const refused: Readonly<Record<string, string>> = {
    PUBLIC_URL: 'ftp://x',
    HOST: 'no host',
    DATABASE_URL: 'mysql://host/db',
    REDIS_URL: 'http://host',
    DATA_DIR: 'x'.repeat(2049),
    APPLICATION_SCOPES_FILE: '/nowhere/scopes.json',
    AUTH_ORG_CLAIM: 'two words',
    AUTH_ROLE_CLAIM: 'two words',
    AUTH_SCOPE_CLAIM: 'two words',
    AUTH_SCOPE_PREFIX: 'two words',
    AUTH_AUDIENCE: 'x'.repeat(513),
    AUTH_ISSUER: 'id.example.com',
    AUTH_JWT_SECRET: 'too-short',
    TOKEN_PEPPERS: 'k1:too-short',
    INIT_ADMIN_API_TOKENS: 'too-short',
    INIT_PLATFORM_TOKENS: 'too-short',
  };
  const valueRefused = (name: string): string => refused[name] ?? '?!';

  it.each(Object.keys(SETTINGS))(
    'refuses a value of %s that cannot be used, and names it but not the value',
    (name) => {
      const value = valueRefused(name);
      const problems = problemsOf({ [name]: value }).filter(
        (problem) => !problem.startsWith('AUTH_AUDIENCE is not set'),
      );
      expect(namesIn(problems)).toEqual([name]);
      if (name !== 'APPLICATION_SCOPES_FILE') expect(problems[0]).not.toContain(value);
      expect(problems[0]).toMatch(/^[A-Z_]+ .{8,}\.?$/s);
    },
  );

  it.each(Object.entries(SETTINGS).filter(([, setting]) => typeof setting.fallback === 'number'))(
    'keeps %s within its bounds',
    (name, setting) => {
      const inaccurate = ['-1', '1e9999', '1.5', '0x10', '١', ' 1', `${Number.MAX_SAFE_INTEGER}`];
      for (const value of inaccurate) expect(namesIn(problemsOf({ [name]: value }))).toEqual([name]);
      const [, from, to] = /from (\d+) to (\d+)/.exec(problemsOf({ [name]: '-1' })[0]!)!;
      for (const value of [from!, to!, String(setting.fallback)]) expect(problemsOf({ [name]: value })).toEqual([]);
      for (const value of [Number(from) - 1, Number(to) + 1]) {
        expect(namesIn(problemsOf({ [name]: String(value) }))).toEqual([name]);
      }
    },
  );

  it('lists everything that is wrong at once, one sentence each', () => {
    const all = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, valueRefused(name)]));
    const names = namesIn(problemsOf({ ...all, NODE_ENV: 'production' }));
    const missing = Object.keys(SETTINGS).filter((name) => name !== 'NODE_ENV' && !names.includes(name));
    expect(missing).toEqual([]);
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']));
    const { settings } = Config.load({ ...empty, DATA_DIR: join(directory, 'data') });
    for (const [name, { fallback }] of Object.entries(SETTINGS)) {
      if (name !== 'DATA_DIR')
        expect({ name, value: settings[name as keyof typeof settings] }).toEqual({ name, value: fallback });
    }
  });

  it('refuses two peppers of one id', () => {
    expect(problemsOf({ TOKEN_PEPPERS: `${PEPPER},${PEPPER.replace('cHBw', 'cXFx')}` })[0]).toMatch(/^TOKEN_PEPPERS /);
  });

  it('is frozen, so that no part of the service changes it for another', () => {
    const config = load({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.settings)).toBe(true);
  });
});

describe('.env.example', () => {
  const example = readFileSync('.env.example', 'utf8');

  it('is what the settings generate', () => {
    expect(example).toBe(exampleEnvironment());
  });

  it('lists every setting once, with its default: taken as a whole it changes nothing', () => {
    const lines = [...example.matchAll(/^#([A-Z_]+)=(.*)$/gm)];
    expect(lines.map(([, name]) => name)).toEqual(Object.keys(SETTINGS));
    const environment = Object.fromEntries(lines.map(([, name, value]) => [name, value])) as Record<string, string>;
    const DATA_DIR = join(directory, 'data');
    expect(Config.load({ ...environment, DATA_DIR }).settings).toEqual(Config.load({ DATA_DIR }).settings);
  });
});

describe('a real process', () => {
  let compiled: CompiledKeyward;
  beforeAll(async () => void (compiled = await CompiledKeyward.make()));
  afterAll(() => compiled?.remove());

  it('ends with 1 and a list that a person can read, and no stack, when it is not configured for production', async () => {
    const env = { NODE_ENV: 'production', TOKEN_PEPPERS: '', AUTH_JWT_SECRET: '', PORT: 'eighty' };
    const { code, output } = await compiled.run('src/main.js', [], env);
    expect(code).toBe(1);
    expect(namesIn(output.split('\n').flatMap((line) => /^ {2}- (.*)/.exec(line)?.slice(1) ?? []))).toEqual([
      'AUTH_ISSUER',
      'DATABASE_URL',
      'PORT',
      'TOKEN_PEPPERS',
    ]);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it('starts in production with what it was told, and prints no credential', async () => {
    const databaseUrl = await createDatabase();
    try {
      const { url, output, kill } = await compiled.start({ ...PRODUCTION, DATABASE_URL: databaseUrl });
      expect((await new Client(url).get('/health/ready')).status).toBe(200);
      await kill();
      expect(output()).not.toMatch(/eyJ|JWT|curl/);
    } finally {
      await dropDatabase(databaseUrl);
    }
  });
});
