import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { answerList, type Page } from '../common/pagination.js';
import { markReplay, tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import { ApiIdempotent, Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import { CreateOrganizationRequest, OrganizationPageResponse, OrganizationResponse } from './dto/organization.dto.js';
import { OrganizationsService } from './organizations.service.js';

const LIST = 'organizations';

/** The operator's view of the tenants. */
@ApiTags('Platform')
@RequireScopes('platform:organizations')
@Controller('organizations')
export class PlatformOrganizationsController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly config: Config,
  ) {}

  @Get()
  @ApiBothListForms(OrganizationResponse, OrganizationPageResponse)
  @NativeOperation({
    id: 'listOrganizations',
    summary: 'List the organizations',
    description: 'All organizations, newest first.',
    refusals: [400, 422],
  })
  async list(@Query() query: Record<string, unknown>): Promise<OrganizationResponse[] | Page<OrganizationResponse>> {
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.organizations.list(page),
      OrganizationResponse.of,
    );
  }

  @Post()
  @ApiIdempotent()
  @NativeOperation({
    id: 'createOrganization',
    summary: 'Create an organization',
    description: 'Creates a tenant before its first person signs in. The first member becomes its owner.',
    refusals: [400, 409, 413, 415, 422],
  })
  @ApiCreatedResponse({ type: OrganizationResponse, description: 'The organization.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateOrganizationRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    const { organization, isReplay } = await this.organizations.create(caller, body, request);
    markReplay(reply, isReplay);
    return tagged(reply, organization, OrganizationResponse.of);
  }

  @Get(':organizationSlug')
  @NativeOperation({
    id: 'getOrganizationBySlug',
    summary: 'Read an organization',
    description: 'One organization by its slug.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: OrganizationResponse, description: 'The organization.' })
  async get(
    @Param('organizationSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    return tagged(reply, await this.organizations.getBySlug(slug), OrganizationResponse.of);
  }

  @Post(':organizationSlug/suspend')
  @HttpCode(200)
  @NativeOperation({
    id: 'suspendOrganization',
    summary: 'Suspend an organization',
    description: 'From then on no credential of the organization is accepted. Nothing is deleted.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: OrganizationResponse, description: 'The organization, suspended.' })
  async suspend(
    @CurrentCaller() caller: Caller,
    @Param('organizationSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    return tagged(reply, await this.organizations.setSuspended(caller, slug, true), OrganizationResponse.of);
  }

  @Post(':organizationSlug/resume')
  @HttpCode(200)
  @NativeOperation({
    id: 'resumeOrganization',
    summary: 'Resume an organization',
    description: 'Makes a suspended organization active again.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: OrganizationResponse, description: 'The organization, active.' })
  async resume(
    @CurrentCaller() caller: Caller,
    @Param('organizationSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OrganizationResponse> {
    return tagged(reply, await this.organizations.setSuspended(caller, slug, false), OrganizationResponse.of);
  }
}
