import { Body, Controller, Get, Patch, Res } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiIfMatch, type ExpectedVersions, IfMatch } from '../common/etag.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { tagged } from '../common/reply.js';
import { OrganizationResponse, UpdateOrganizationRequest } from './dto/organization.dto.js';
import { OrganizationsService } from './organizations.service.js';

@ApiTags('Organization')
@Controller('organization')
export class OrganizationController {
  constructor(private readonly organizations: OrganizationsService) {}

  @Get()
  @RequireScopes('organizations:read')
  @NativeOperation({
    id: 'getOrganization',
    summary: 'Read the organization',
    description: 'The organization of the caller, with its policy for tokens.',
  })
  @ApiOkResponse({ type: OrganizationResponse, description: 'The organization.' })
  async get(
    @CurrentCaller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    return tagged(reply, await this.organizations.get(caller.principal.organizationId), OrganizationResponse.of);
  }

  @Patch()
  @RequireScopes('organizations')
  @ApiIfMatch()
  @NativeOperation({
    id: 'updateOrganization',
    summary: 'Change the organization',
    description:
      'Changes the members that are sent: the name, and the policy for the lifetime of new tokens. Tokens that exist keep their expiry.',
    refusals: [400, 413, 415, 422],
  })
  @ApiOkResponse({ type: OrganizationResponse, description: 'The organization as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Body() body: UpdateOrganizationRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    return tagged(reply, await this.organizations.update(caller, { ...body }, expected), OrganizationResponse.of);
  }
}
