import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiIfMatch, type ExpectedVersions, IfMatch } from '../common/etag.js';
import { ApiBothListForms, NativeOperation } from '../common/native-operation.decorator.js';
import { answerList, type Page } from '../common/pagination.js';
import { tagged } from '../common/reply.js';
import { Config } from '../config/config.js';
import { AddMemberRequest, MemberPageResponse, MemberResponse, UpdateMemberRequest } from './dto/member.dto.js';
import { DEFAULT_ISSUER, MembersService } from './members.service.js';

const LIST = 'members';

@ApiTags('Organization')
@Controller('organization/members')
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly config: Config,
  ) {}

  @Get()
  @RequireScopes('members:read')
  @ApiBothListForms(MemberResponse, MemberPageResponse)
  @NativeOperation({
    id: 'listMembers',
    summary: 'List the members',
    description: 'The people of the organization, newest first.',
    refusals: [400, 422],
  })
  async list(
    @CurrentCaller() { principal }: Caller,
    @Query() query: Record<string, unknown>,
  ): Promise<MemberResponse[] | Page<MemberResponse>> {
    return answerList(
      LIST,
      query,
      this.config.listLimits,
      (page) => this.members.list(principal.organizationId, page),
      MemberResponse.of,
    );
  }

  @Post()
  @RequireScopes('members')
  @NativeOperation({
    id: 'addMember',
    summary: 'Add a member',
    description:
      'Adds a person by the identity that their JWT will carry, also one who was removed before. The caller must hold every scope of the role.',
    refusals: [400, 409, 413, 415, 422],
  })
  @ApiCreatedResponse({ type: MemberResponse, description: 'The member.' })
  async add(
    @CurrentCaller() caller: Caller,
    @Body() body: AddMemberRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberResponse> {
    const issuer = body.issuer ?? (this.config.settings.AUTH_ISSUER || DEFAULT_ISSUER);
    return tagged(reply, await this.members.add(caller, { ...body, issuer }), MemberResponse.of);
  }

  @Get(':userId')
  @RequireScopes('members:read')
  @NativeOperation({
    id: 'getMember',
    summary: 'Read a member',
    description: 'One person of the organization.',
    refusals: [404, 422],
  })
  @ApiOkResponse({ type: MemberResponse, description: 'The member.' })
  async get(
    @CurrentCaller() caller: Caller,
    @Param('userId') userId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberResponse> {
    return tagged(reply, await this.members.get(caller.principal.organizationId, userId), MemberResponse.of);
  }

  @Put(':userId')
  @RequireScopes('members')
  @ApiIfMatch()
  @NativeOperation({
    id: 'updateMember',
    summary: 'Give a member another role',
    description:
      'Takes hold with the next request of the member and of their personal tokens. The caller must hold every scope of the old and the new role.',
    refusals: [400, 404, 409, 413, 415, 422],
  })
  @ApiOkResponse({ type: MemberResponse, description: 'The member as it is now.' })
  async update(
    @CurrentCaller() caller: Caller,
    @Param('userId') userId: string,
    @Body() body: UpdateMemberRequest,
    @IfMatch() expected: ExpectedVersions,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MemberResponse> {
    return tagged(reply, await this.members.setRole(caller, userId, body.role, expected), MemberResponse.of);
  }

  @Delete(':userId')
  @HttpCode(204)
  @RequireScopes('members')
  @ApiIfMatch()
  @NativeOperation({
    id: 'removeMember',
    summary: 'Remove a member',
    description: 'Their JWTs and personal tokens are refused from then on, until somebody adds them again.',
    refusals: [404, 409, 422],
  })
  @ApiNoContentResponse({ description: 'The person is no longer a member.' })
  async remove(
    @CurrentCaller() caller: Caller,
    @Param('userId') userId: string,
    @IfMatch() expected: ExpectedVersions,
  ): Promise<void> {
    await this.members.remove(caller, userId, expected);
  }
}
