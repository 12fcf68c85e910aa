import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireAuthentication, RequireScopes } from '../access/require-scopes.decorator.js';
import { ScopeRegistry } from '../access/scope-registry.js';
import { isPlatformScope, MANAGEMENT_SCOPES } from '../access/scopes.js';
import { ApiIfMatch, type ExpectedVersions, IfMatch } from '../common/etag.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { answerList, type Page } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import { ApiIdempotent, Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { RolePageResponse, RoleRequest, RoleResponse, ScopesResponse } from './dto/role.dto.js';
import { RolesService } from './roles.service.js';

const LIST = 'roles';

@ApiTags('Roles')
@Controller('organization/roles')
export class RolesController {
  constructor(
    private readonly roles: RolesService,
    private readonly config: Config,
  ) {}

  @Get()
  @RequireScopes('roles:read')
  @ApiBothListForms(RoleResponse, RolePageResponse)
  @NativeOperation({
    id: 'listRoles',
    summary: 'List the roles',
    description: 'The custom roles of the organization, newest first, then the built-in ones.',
    refusals: [400, 422],
  })
  async list(
    @CurrentCaller() { principal }: Caller,
    @Query() query: Record<string, unknown>,
  ): Promise<RoleResponse[] | Page<RoleResponse>> {
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.roles.list(principal.organizationId, page),
      ({ role }) => RoleResponse.of(role),
    );
  }

  @Post()
  @RequireScopes('roles')
  @ApiIdempotent()
  @NativeOperation({
    id: 'createRole',
    summary: 'Create a role',
    description: 'Adds a custom role. It may hold no scope that the caller does not hold.',
    refusals: [400, 409, 413, 415, 422],
  })
  @ApiCreatedResponse({ type: RoleResponse, description: 'The role.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: RoleRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RoleResponse> {
    const { role, isReplay } = await this.roles.create(caller, body, request);
    markReplay(reply, isReplay);
    return tagged(reply, role, RoleResponse.of);
  }

  @Get(':roleSlug')
  @RequireScopes('roles:read')
  @NativeOperation({
    id: 'getRole',
    summary: 'Read a role',
    description: 'One role, built in or custom.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: RoleResponse, description: 'The role.' })
  async get(
    @CurrentCaller() caller: Caller,
    @Param('roleSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RoleResponse> {
    const role = await this.roles.get(caller.principal.organizationId, slug);
    return 'version' in role ? tagged(reply, role, RoleResponse.of) : RoleResponse.of(role);
  }

  @Put(':roleSlug')
  @RequireScopes('roles')
  @ApiIfMatch()
  @NativeOperation({
    id: 'updateRole',
    summary: 'Change a role',
    description:
      'Replaces name and scopes of a custom role; everybody who has it may do what it says with their next request.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiOkResponse({ type: RoleResponse, description: 'The role as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Param('roleSlug') slug: string,
    @Body() body: RoleRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RoleResponse> {
    return tagged(reply, await this.roles.update(caller, slug, body, expected), RoleResponse.of);
  }

  @Delete(':roleSlug')
  @HttpCode(204)
  @RequireScopes('roles')
  @ApiIfMatch()
  @NativeOperation({
    id: 'deleteRole',
    summary: 'Delete a role',
    description: 'Deletes a custom role that no member and no service account has.',
    refusals: [404, 409, 422],
  })
  @ApiNoContentResponse({ description: 'The role is gone.' })
  async delete(
    @CurrentCaller() caller: Caller,
    @Param('roleSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.roles.delete(caller, slug, expected);
  }
}

@ApiTags('Roles')
@Controller('scopes')
export class ScopesController {
  constructor(private readonly scopes: ScopeRegistry) {}

  @Get()
  @RequireAuthentication()
  @NativeOperation({
    id: 'listScopes',
    summary: 'List the scopes',
    description: 'What may be granted to roles and tokens, with a sentence each.',
  })
  @ApiOkResponse({ type: ScopesResponse, description: 'The scopes of Keyward and of the product.' })
  list(@CurrentCaller() caller: Caller): ScopesResponse {
    const management = Object.entries(MANAGEMENT_SCOPES).filter(
      ([name]) => caller.principal.isPlatform || !isPlatformScope(name),
    );
    return {
      managementScopes: management.map(([name, description]) => ({ name, description })),
      applicationScopes: this.scopes.applicationScopes ?? [],
      acceptsAnyApplicationScope: this.scopes.applicationScopes === undefined,
    };
  }
}
