import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiIfMatch, etagOf, type ExpectedVersions, IfMatch } from '../common/etag.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { answerList, type Page } from '../common/pagination.js';
import { markReplay } from '../common/reply.js';
import { Config } from '../config/config.js';
import { ApiIdempotent, Idempotency, type IdempotentRequest } from '../idempotency/idempotency.js';
import {
  CreateServiceAccountRequest,
  ServiceAccountPageResponse,
  ServiceAccountResponse,
  UpdateServiceAccountRequest,
} from './dto/service-account.dto.js';
import { ServiceAccountsService, type ServiceAccountView } from './service-accounts.service.js';

const LIST = 'service-accounts';

@ApiTags('Service accounts')
@Controller('service-accounts')
export class ServiceAccountsController {
  constructor(
    private readonly accounts: ServiceAccountsService,
    private readonly config: Config,
  ) {}

  @Get()
  @RequireScopes('service_accounts:read')
  @ApiBothListForms(ServiceAccountResponse, ServiceAccountPageResponse)
  @NativeOperation({
    id: 'listServiceAccounts',
    summary: 'List the service accounts',
    description: 'The service accounts of the organization with their newest tokens.',
    refusals: [400, 422],
  })
  async list(
    @CurrentCaller() { principal }: Caller,
    @Query() query: Record<string, unknown>,
  ): Promise<ServiceAccountResponse[] | Page<ServiceAccountResponse>> {
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.accounts.list(principal.organizationId, page),
      ServiceAccountResponse.of,
    );
  }

  @Post()
  @RequireScopes('service_accounts')
  @ApiIdempotent()
  @NativeOperation({
    id: 'createServiceAccount',
    summary: 'Create a service account',
    description: 'Creates an account without tokens.',
    refusals: [400, 409, 413, 415, 422],
  })
  @ApiCreatedResponse({ type: ServiceAccountResponse, description: 'The service account.' })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() body: CreateServiceAccountRequest,
    @Idempotency() request: IdempotentRequest | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ServiceAccountResponse> {
    const { view, isReplay } = await this.accounts.create(caller, body, request);
    markReplay(reply, isReplay);
    return render(reply, view);
  }

  @Get(':serviceAccountSlug')
  @RequireScopes('service_accounts:read')
  @NativeOperation({
    id: 'getServiceAccount',
    summary: 'Read a service account',
    description: 'One account with its newest tokens.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: ServiceAccountResponse, description: 'The service account.' })
  async get(
    @CurrentCaller() { principal }: Caller,
    @Param('serviceAccountSlug') slug: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ServiceAccountResponse> {
    return render(reply, await this.accounts.get(principal.organizationId, { slug }));
  }

  @Put(':serviceAccountSlug')
  @HttpCode(204)
  @RequireScopes('service_accounts')
  @ApiIfMatch()
  @NativeOperation({
    id: 'updateServiceAccount',
    summary: 'Change a service account',
    description:
      'Sets the name, and description and role where they are sent; null clears them. The slug never changes.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiNoContentResponse({ description: 'It is changed.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') slug: string,
    @Body() body: UpdateServiceAccountRequest,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.accounts.update(caller, { slug }, body, expected);
  }

  @Delete(':serviceAccountSlug')
  @HttpCode(204)
  @RequireScopes('service_accounts')
  @ApiIfMatch()
  @NativeOperation({
    id: 'deleteServiceAccount',
    summary: 'Delete a service account',
    description: 'Its tokens are revoked at once, and its slug is free again.',
    refusals: [404, 422],
  })
  @ApiNoContentResponse({ description: 'It is gone.' })
  async delete(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.accounts.delete(caller, { slug }, expected);
  }

  @Post(':serviceAccountSlug/disable')
  @HttpCode(200)
  @RequireScopes('service_accounts')
  @ApiIfMatch()
  @NativeOperation({
    id: 'disableServiceAccount',
    summary: 'Disable a service account',
    description: 'Its tokens stop working at once, until it is enabled again.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: ServiceAccountResponse, description: 'The service account, disabled.' })
  async disable(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ServiceAccountResponse> {
    return render(reply, await this.accounts.setDisabled(caller, { slug }, true, expected));
  }

  @Post(':serviceAccountSlug/enable')
  @HttpCode(200)
  @RequireScopes('service_accounts')
  @ApiIfMatch()
  @NativeOperation({
    id: 'enableServiceAccount',
    summary: 'Enable a service account',
    description: 'Its tokens work again, unless they were revoked or have expired.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: ServiceAccountResponse, description: 'The service account, enabled.' })
  async enable(
    @CurrentCaller() caller: Caller,
    @Param('serviceAccountSlug') slug: string,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ServiceAccountResponse> {
    return render(reply, await this.accounts.setDisabled(caller, { slug }, false, expected));
  }
}

function render(reply: FastifyReply, view: ServiceAccountView): ServiceAccountResponse {
  void reply.header('etag', etagOf(view.account));
  return ServiceAccountResponse.of(view);
}
