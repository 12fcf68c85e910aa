import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiPropertyOptional, ApiQuery, ApiTags } from '@nestjs/swagger';
import { IsUUID, MaxLength } from 'class-validator';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireScopes } from '../access/require-scopes.decorator.js';
import { ApiPageQuery, NativeOperation } from '../common/native-operation.decorator.js';
import { type Page, readRequiredPage, toPage } from '../common/pagination.js';
import { IgnoresMembers } from '../common/request.pipe.js';
import { IsDisplayText, IsRfc3339, MayBeAbsent, parseRfc3339 } from '../common/validation-rules.js';
import { Config } from '../config/config.js';
import type { AuditEvent } from './audit-event.entity.js';
import { AuditEventsReader } from './audit-events.reader.js';

const LIST = 'audit-events';

/** Which events to list. `limit` and `cursor` are read apart. */
@IgnoresMembers('limit', 'cursor')
export class AuditEventsQuery {
  @MayBeAbsent()
  @IsDisplayText(64)
  type?: string;

  @MayBeAbsent()
  @IsDisplayText(64)
  actorId?: string;

  @MayBeAbsent()
  @IsUUID(undefined, { message: 'must be a UUID' })
  @MaxLength(36, { message: 'must be a UUID' })
  resourceId?: string;

  @MayBeAbsent()
  @IsRfc3339()
  since?: string;

  @MayBeAbsent()
  @IsRfc3339()
  until?: string;
}

export class AuditActorResponse {
  @ApiProperty({
    description: 'What acted.',
    enum: ['user', 'service_account', 'organization', 'system'],
    example: 'user',
  })
  kind: string;

  @ApiProperty({
    description: 'Id of the person, the service account or the token of the organization.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  id: string;

  @ApiPropertyOptional({ description: 'Its name at that time.', example: 'Ada Lovelace' })
  name?: string;
}

export class AuditEventResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({
    description: 'Place in the chain of the organization, from 1 without gaps.',
    type: 'integer',
    example: 42,
  })
  sequence: number;

  @ApiProperty({ description: 'What happened.', example: 'token.issued' })
  type: string;

  @ApiProperty({ description: 'When.', format: 'date-time', example: '2030-01-31T12:00:00.000Z' })
  createdAt: string;

  @ApiProperty({ description: 'Who did it.', type: () => AuditActorResponse })
  actor: AuditActorResponse;

  @ApiPropertyOptional({
    description: 'Id of the token that was used; absent for a JWT.',
    format: 'uuid',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  credentialId?: string;

  @ApiPropertyOptional({ description: 'Address that the request came from.', example: '192.0.2.7' })
  ipAddress?: string;

  @ApiProperty({
    description: 'Id of the request, as in X-Request-Id.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  requestId: string;

  @ApiProperty({ description: 'Kind of thing that changed.', example: 'token' })
  resourceType: string;

  @ApiProperty({
    description: 'Id of the thing that changed.',
    format: 'uuid',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  resourceId: string;

  @ApiPropertyOptional({
    description: 'The members that changed, as they were.',
    type: 'object',
    additionalProperties: true,
    example: { name: 'Deploy' },
  })
  before?: Record<string, unknown>;

  @ApiPropertyOptional({
    description: 'The members that changed, as they are since.',
    type: 'object',
    additionalProperties: true,
    example: { name: 'Deploy from CI' },
  })
  after?: Record<string, unknown>;

  @ApiProperty({
    description: 'SHA-256 over the event and the hash of its predecessor, in hexadecimal.',
    example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  })
  hash: string;

  static of(event: AuditEvent): AuditEventResponse {
    return {
      id: event.id,
      sequence: Number(event.sequence),
      type: event.type,
      createdAt: event.createdAt.toISOString(),
      actor: { kind: event.actorKind, id: event.actorId, name: event.actorName ?? undefined },
      credentialId: event.credentialId ?? undefined,
      ipAddress: event.ipAddress ?? undefined,
      requestId: event.requestId,
      resourceType: event.resourceType,
      resourceId: event.resourceId,
      before: event.before ?? undefined,
      after: event.after ?? undefined,
      hash: event.hash.toString('hex'),
    };
  }
}

export class AuditEventPageResponse {
  @ApiProperty({ description: 'Events, newest first.', type: () => [AuditEventResponse] })
  items: AuditEventResponse[];

  @ApiPropertyOptional({
    description: 'Cursor of the next page; absent on the last one.',
    example: 'YXVkaXQtZXZlbnRzfDE3Mzg',
  })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}

@ApiTags('Audit')
@Controller('audit-events')
export class AuditEventsController {
  constructor(
    private readonly events: AuditEventsReader,
    private readonly config: Config,
  ) {}

  @Get()
  @RequireScopes('audit_events:read')
  @ApiPageQuery()
  @ApiQuery({ name: 'type', required: false, description: 'Only events of this type.', schema: { type: 'string' } })
  @ApiQuery({
    name: 'actorId',
    required: false,
    description: 'Only what this person, service account or token did.',
    schema: { type: 'string' },
  })
  @ApiQuery({
    name: 'resourceId',
    required: false,
    description: 'Only what happened to this thing.',
    schema: { type: 'string', format: 'uuid' },
  })
  @ApiQuery({
    name: 'since',
    required: false,
    description: 'Only events of this moment or later.',
    schema: { type: 'string', format: 'date-time' },
  })
  @ApiQuery({
    name: 'until',
    required: false,
    description: 'Only events before this moment.',
    schema: { type: 'string', format: 'date-time' },
  })
  @NativeOperation({
    id: 'listAuditEvents',
    summary: 'List the audit events',
    description: 'Every change in the organization, newest first, a page at a time.',
    refusals: [400, 422],
  })
  @ApiOkResponse({ type: AuditEventPageResponse, description: 'A page of events.' })
  async list(
    @CurrentCaller() { principal }: Caller,
    @Query() query: AuditEventsQuery,
    @Query() raw: Record<string, unknown>,
  ): Promise<Page<AuditEventResponse>> {
    const page = readRequiredPage(LIST, raw, this.config.settings.PAGE_SIZE_MAX);
    const filter = { ...query, since: parseRfc3339(query.since), until: parseRfc3339(query.until) };
    return toPage(
      LIST,
      await this.events.list(principal.organizationId, filter, page),
      page.limit,
      AuditEventResponse.of,
    );
  }
}
