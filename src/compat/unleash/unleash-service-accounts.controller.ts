import { Body, Delete, Get, HttpCode, Param, Post, Put, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { BUILT_IN_ROLES } from '../../access/built-in-roles.js';
import type { Caller } from '../../access/principal.js';
import { CurrentCaller, EnforceScopes } from '../../access/require-scopes.decorator.js';
import { Config } from '../../config/config.js';
import { invalidAt, Refusal } from '../../errors/refusal.js';
import { RolesService } from '../../organizations/roles.service.js';
import { ServiceAccountsService } from '../../service-accounts/service-accounts.service.js';
import {
  CreateUnleashServiceAccountRequest,
  UnleashServiceAccount,
  UnleashServiceAccounts,
  UpdateUnleashServiceAccountRequest,
} from './dto/unleash-service-account.dto.js';
import { NO_ROLE, toAccountChanges, toUnleashAccount, toUnleashRoles } from './translate.js';
import { PREFIX, UnleashController, UnleashOperation } from './unleash-operation.decorators.js';

const ACCOUNT = { id: 'Number of the service account.' };

@UnleashController('Unleash service accounts', 'service-account')
export class UnleashServiceAccountsController {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly roles: RolesService,
    private readonly config: Config,
  ) {}

  @Get()
  @EnforceScopes('service_accounts:read')
  @UnleashOperation({
    id: 'unleashListServiceAccounts',
    summary: 'List the service accounts and the roles',
    description:
      'All service accounts of the organization with their newest tokens, and the roles that they can be given. There is no way to read one account: look for its id here.',
  })
  @ApiOkResponse({ type: UnleashServiceAccounts, description: 'The accounts and the roles.' })
  async list(@CurrentCaller() { principal: { organizationId } }: Caller): Promise<UnleashServiceAccounts> {
    const { rowsMax } = this.config.listLimits;
    const everything = { limit: rowsMax, after: undefined };
    const accounts = await this.accounts.list(organizationId, everything, 'live');
    if (accounts.length > rowsMax) throw new Refusal('list.too_large');
    const roles = await this.roles.list(organizationId, everything);
    return {
      serviceAccounts: accounts.map(toUnleashAccount),
      rootRoles: toUnleashRoles(
        roles.map(({ role }) => role),
        BUILT_IN_ROLES.owner.number,
      ),
    };
  }

  @Post()
  @EnforceScopes('service_accounts')
  @UnleashOperation({
    id: 'unleashCreateServiceAccount',
    summary: 'Create a service account',
    description: 'Creates an account without tokens. Its role may hold nothing that the caller does not hold.',
    refusals: [400, 409, 413, 415],
  })
  @ApiCreatedResponse({
    type: UnleashServiceAccount,
    description: 'The account; Location is its path.',
  })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateUnleashServiceAccountRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UnleashServiceAccount> {
    const role = await this.roleBehind(caller, body.rootRole);
    const { view } = await this.accounts.create(caller, { slug: body.username, name: body.name, role });
    void reply.header('location', `${PREFIX}/service-account/${view.account.number}`);
    return toUnleashAccount(view);
  }

  @Put(':id')
  @EnforceScopes('service_accounts')
  @UnleashOperation({
    id: 'unleashUpdateServiceAccount',
    summary: 'Change a service account',
    description: 'Changes the name and the role where they are sent. The username never changes.',
    numbers: ACCOUNT,
    refusals: [400, 404, 413, 415],
  })
  @ApiOkResponse({ type: UnleashServiceAccount, description: 'The account as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Param('id') number: number,
    @Body() body: UpdateUnleashServiceAccountRequest,
  ): Promise<UnleashServiceAccount> {
    const role = body.rootRole === undefined ? undefined : await this.roleBehind(caller, body.rootRole);
    await this.accounts.update(caller, { number }, toAccountChanges(body, role), undefined);
    return toUnleashAccount(await this.accounts.get(caller.principal.organizationId, { number }, 'live'));
  }

  @Delete(':id')
  @HttpCode(200)
  @EnforceScopes('service_accounts')
  @UnleashOperation({
    id: 'unleashDeleteServiceAccount',
    summary: 'Delete a service account',
    description: 'Its tokens stop working at once, and its username is free again.',
    numbers: ACCOUNT,
    refusals: [400, 404, 413, 415],
  })
  @ApiOkResponse({ description: 'It is gone; the body is empty.' })
  async delete(@CurrentCaller() caller: Caller, @Param('id') number: number): Promise<void> {
    await this.accounts.delete(caller, { number }, undefined);
  }

  /** Slug of the role with a number; null for "no role". A role of another organization is as unknown as one that never was. */
  private async roleBehind({ principal }: Caller, number: number): Promise<string | null> {
    if (number === NO_ROLE) return null;
    const roleOf = await this.roles.byNumber(principal.organizationId, [number]);
    const role = roleOf(number);
    if (role === undefined) throw invalidAt('body.rootRole', 'must be the id of one of the rootRoles', number);
    return role.slug;
  }
}
