import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { EVERYTHING } from '../access/scopes.js';
import type { Caller } from '../access/principal.js';
import { Config } from '../config/config.js';
import { ServiceAccountsService } from '../service-accounts/service-accounts.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { SecretDigests } from '../tokens/secret-digests.js';
import { organizationAsOwner, type TokenOwner } from '../tokens/token-owner.js';
import { TokenIssuer } from '../tokens/token-issuer.service.js';

/** Any number that all processes agree on: one of several that start at once brings the tokens along. */
const BOOTSTRAP_LOCK = 0x6b657978;

/** What a platform token may do: the operator's own scopes, and issuing narrower credentials to the microservices. */
const PLATFORM_SCOPES = [
  'platform:verify',
  'platform:organizations',
  'service_accounts',
  'api_tokens',
  'audit_events:read',
];

/** Brings the tokens of INIT_ADMIN_API_TOKENS and INIT_PLATFORM_TOKENS along at start-up. A value that is known already is left alone, whatever became of it. */
@Injectable()
export class InitialTokens implements OnApplicationBootstrap {
  private readonly logger = new Logger(InitialTokens.name);

  constructor(
    private readonly database: DataSource,
    private readonly organizations: OrganizationsService,
    private readonly accounts: ServiceAccountsService,
    private readonly tokens: TokenIssuer,
    private readonly digests: SecretDigests,
    private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { INIT_ADMIN_API_TOKENS: admin, INIT_PLATFORM_TOKENS: platform } = this.config.settings;
    if (admin.length === 0 && platform.length === 0) return;
    await this.database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [BOOTSTRAP_LOCK]);
      for (const [index, secret] of admin.entries())
        await this.ensure(tx, secret, `Initial admin token ${index + 1}`, (db) => this.adminOwner(db), null);
      for (const [index, secret] of platform.entries()) {
        await this.ensure(
          tx,
          secret,
          `Initial platform token ${index + 1}`,
          (db) => this.platformOwner(db),
          PLATFORM_SCOPES,
        );
      }
    });
  }

  private async ensure(
    tx: EntityManager,
    secret: string,
    name: string,
    ownerOf: (tx: EntityManager) => Promise<TokenOwner>,
    scopes: string[] | null,
  ): Promise<void> {
    const lookup = this.digests.forLookup(secret);
    if (lookup.length === 0) throw new Error(`${name} begins like a token of ours but is not a well-formed one.`);
    const known: unknown[] = await tx.query('select 1 from token_secrets where digest = any ($1)', [lookup]);
    if (known.length > 0) return;
    const owner = await ownerOf(tx);
    const free = await this.freeName(tx, owner, name);
    await this.tokens.insert(tx, systemCaller(owner.organizationId), owner, uuidv7(), { name: free, scopes }, secret);
    this.logger.log(`${free} was added.`);
  }

  /** The list in the variable may have been changed since: a new value must not collide with the name of an old one. */
  private async freeName(tx: EntityManager, owner: TokenOwner, name: string): Promise<string> {
    const taken: { name: string }[] = await tx.query(
      'select name from tokens where organization_id = $1 and owner_id = $2 and revoked_at is null and name like $3',
      [owner.organizationId, owner.ownerId, `${name}%`],
    );
    const names = new Set(taken.map((row) => row.name));
    for (let attempt = 1, candidate = name; ; attempt++, candidate = `${name} (${attempt})`)
      if (!names.has(candidate)) return candidate;
  }

  private async adminOwner(tx: EntityManager): Promise<TokenOwner> {
    const [existing]: { id: string }[] = await tx.query("select id from organizations where external_id = 'default'");
    return organizationAsOwner(
      existing?.id ?? (await this.createOrganization(tx, { name: 'Default', slug: 'default', externalId: 'default' })),
    );
  }

  private async platformOwner(tx: EntityManager): Promise<TokenOwner> {
    const [existing]: { id: string }[] = await tx.query('select id from organizations where is_platform');
    const organizationId =
      existing?.id ?? (await this.createOrganization(tx, { name: 'Platform', slug: 'platform', isPlatform: true }));
    const slug = 'initial-platform-tokens';
    const accounts: { id: string }[] = await tx.query(
      'select id from service_accounts where organization_id = $1 and slug = $2 and deleted_at is null',
      [organizationId, slug],
    );
    const accountId =
      accounts[0]?.id ??
      (
        await this.accounts.insert(tx, systemCaller(organizationId), uuidv7(), {
          name: 'Initial platform tokens',
          slug,
        })
      ).id;
    return { kind: 's', organizationId, ownerId: accountId, roleScopes: undefined };
  }

  private async createOrganization(
    tx: EntityManager,
    draft: { name: string; slug: string; externalId?: string; isPlatform?: boolean },
  ): Promise<string> {
    const id = uuidv7();
    await this.organizations.insert(tx, systemCaller(id), id, draft);
    return id;
  }
}

function systemCaller(organizationId: string): Caller {
  const principal = {
    kind: 'system',
    id: 'system',
    name: 'Keyward',
    organizationId,
    isPlatform: false,
    userId: undefined,
    tokenId: undefined,
    scopes: [EVERYTHING],
  } as const;
  return { principal, requestId: 'start-up', ipAddress: undefined };
}
