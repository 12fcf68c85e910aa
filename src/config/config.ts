import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SETTINGS, type SettingName, type SettingValue } from './settings.js';

type Environment = Readonly<Record<string, string | undefined>>;
type SettingValues = { readonly [N in SettingName]: SettingValue<N> };

export interface Pepper {
  readonly id: string;
  readonly key: Buffer;
}

/** The whole configuration, read once at start-up and handed to whoever asks for `Config`. Frozen. */
export class Config {
  private constructor(
    /** The settings under the names of their variables. */
    readonly settings: SettingValues,
    /** Keys of the token digests; the first one is for new tokens, the others are still understood. */
    readonly peppers: readonly [Pepper, ...Pepper[]],
    /** Secret of HS256 JWTs, where they are accepted. */
    readonly jwtSecret: string | undefined,
    /** The product's own scopes by name with their sentence; undefined: any scope of the grammar is accepted. */
    readonly applicationScopes: ReadonlyMap<string, string> | undefined,
  ) {
    Object.freeze(this);
  }

  get isProduction(): boolean {
    return this.settings.NODE_ENV === 'production';
  }

  /** What Fastify takes as trustProxy: the addresses of the proxies, never "everybody", who could name any address. */
  get trustedProxies(): string[] | false {
    return this.settings.TRUST_PROXY.length > 0 ? [...this.settings.TRUST_PROXY] : false;
  }

  /** PUBLIC_URL, or the configured address, without a slash at the end. */
  get publicUrl(): string {
    const { PUBLIC_URL, HOST, PORT } = this.settings;
    return PUBLIC_URL === ''
      ? `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}`
      : PUBLIC_URL.replace(/\/+$/, '');
  }

  /** Bounds of every list. */
  get listLimits(): { readonly pageSizeMax: number; readonly rowsMax: number } {
    return { pageSizeMax: this.settings.PAGE_SIZE_MAX, rowsMax: this.settings.LIST_ROWS_MAX };
  }

  get dataDirectory(): string {
    return resolve(this.settings.DATA_DIR);
  }

  /**
   * Reads and validates the environment. Outside production, a pepper and a JWT secret that are not set are made once
   * and kept in the data directory, readable by its owner only.
   * @throws ConfigError listing everything that is wrong, not only the first thing
   */
  static load(environment: Environment): Config {
    const problems: string[] = [];
    const values: Record<string, unknown> = {};
    for (const [name, setting] of Object.entries(SETTINGS)) {
      const text = environment[name];
      try {
        values[name] = text === undefined || text === '' ? setting.fallback : setting.parse(text);
      } catch (error) {
        problems.push(`${name} ${(error as Error).message}.`); // the value stays out: it may be a secret
      }
    }
    const settings = Object.freeze(values) as SettingValues;
    const isProduction = environment['NODE_ENV'] === 'production';
    problems.push(...(isProduction ? missingInProduction(environment) : []));
    if (environment['AUTH_ISSUER'] && !environment['AUTH_AUDIENCE']) {
      problems.push('AUTH_AUDIENCE is not set: name the audience that the JWTs of AUTH_ISSUER carry for this product.');
    }
    const applicationScopes = attempt(problems, () => readApplicationScopes(settings.APPLICATION_SCOPES_FILE));
    if (problems.length > 0) throw new ConfigError(problems);

    const kept = (name: string): string => keptSecret(resolve(settings.DATA_DIR), name);
    const peppers = settings.TOKEN_PEPPERS.length > 0 ? settings.TOKEN_PEPPERS : [`dev:${kept('pepper')}`];
    const needsOwnJwtSecret = !isProduction && settings.AUTH_JWT_SECRET === '' && settings.AUTH_ISSUER === '';
    const jwtSecret = needsOwnJwtSecret ? kept('jwt-secret') : settings.AUTH_JWT_SECRET || undefined;
    return new Config(settings, parsePeppers(peppers), jwtSecret, applicationScopes);
  }
}

/** What is wrong with the environment, one sentence per problem. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

function missingInProduction(environment: Environment): string[] {
  const problems: string[] = [];
  if (!environment['DATABASE_URL']) {
    problems.push(
      'DATABASE_URL is not set: in production the embedded PostgreSQL is not used; set postgres://user:password@host:5432/database.',
    );
  }
  if (!environment['TOKEN_PEPPERS']) {
    problems.push(
      'TOKEN_PEPPERS is not set: set id:base64 of 32 random bytes, for example k1:$(openssl rand -base64 32), and keep it: without it no token verifies.',
    );
  }
  if (!environment['AUTH_ISSUER'] && !environment['AUTH_JWT_SECRET']) {
    problems.push(
      'AUTH_ISSUER is not set: set the URL of the OpenID Connect issuer whose JWTs people sign in with (or AUTH_JWT_SECRET for HS256).',
    );
  }
  return problems;
}

function parsePeppers(entries: readonly string[]): [Pepper, ...Pepper[]] {
  const peppers = entries.map((entry) => {
    const separator = entry.indexOf(':');
    return { id: entry.slice(0, separator), key: Buffer.from(entry.slice(separator + 1), 'base64') };
  });
  const ids = new Set(peppers.map((pepper) => pepper.id));
  if (ids.size !== peppers.length || ids.has(PLAIN_DIGEST_ID)) {
    throw new ConfigError([`TOKEN_PEPPERS must not repeat an id, nor use the id ${PLAIN_DIGEST_ID}.`]);
  }
  return peppers as [Pepper, ...Pepper[]];
}

/** Stands in the place of a pepper id where a secret was imported by its plain SHA-256 and not used yet. */
export const PLAIN_DIGEST_ID = 'sha256';

function attempt<T>(problems: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    problems.push((error as Error).message);
    return undefined;
  }
}

function readApplicationScopes(file: string): ReadonlyMap<string, string> | undefined {
  if (file === '') return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`APPLICATION_SCOPES_FILE cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const entries = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? Object.entries(parsed) : [];
  const isSound = entries.every(
    ([scope, sentence]) =>
      /^[a-z][a-z0-9_.-]*(:[a-z0-9_*.-]+)*$/.test(scope) && scope.length <= 200 && typeof sentence === 'string',
  );
  if (entries.length === 0 || entries.length > 1_000 || !isSound) {
    throw new Error('APPLICATION_SCOPES_FILE must hold a JSON object {"scope": "sentence"} of 1 to 1000 scopes.');
  }
  return new Map(entries as [string, string][]);
}

/**
 * A development secret that survives restarts. The complete file is linked into place, so that several processes that
 * start at once agree on one and none reads half of it.
 */
function keptSecret(directory: string, name: string): string {
  const file = join(directory, `${name}.secret`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) {
    const draft = `${file}.${randomUUID()}`;
    writeFileSync(draft, randomBytes(32).toString('base64'), { mode: 0o600 });
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
  }
  const secret = readFileSync(file, 'utf8').trim();
  if (secret.length < 43) {
    throw new ConfigError([`${file} is damaged: remove it to have a new one made (tokens made with it stop working).`]);
  }
  return secret;
}
