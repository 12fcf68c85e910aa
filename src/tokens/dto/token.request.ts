import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { SCOPES_MAX } from '../../access/scopes.js';
import { parseAddressRange } from '../../common/ip-address.js';
import { IgnoresMembers, MayBeLeftOut } from '../../common/request.pipe.js';
import {
  AreAddressRanges,
  EachItem,
  IsAnnotations,
  IsDisplayText,
  IsRfc3339,
  IsSlug,
  MayBeAbsent,
  MayBeCleared,
  parseRfc3339,
} from '../../common/validation-rules.js';
import type { TokenDraft } from '../token-issuer.service.js';
import type { TokenChanges } from '../tokens.service.js';

const ADDRESSES_MAX = 100;
const ANNOTATIONS_MAX = 50;
const RATE_LIMIT_MAX = 1_000_000;

const READ_ONLY = [
  'id',
  'number',
  'token',
  'serviceAccountId',
  'status',
  'createdAt',
  'createdBy',
  'revokedAt',
  'revokedBy',
  'lastUsedAt',
  'lastUsedIpAddress',
  'lastUsedUserAgent',
];

/** What can be set at any time. */
class TokenSettings {
  @ApiPropertyOptional({
    description: 'Addresses and CIDR ranges, IPv4 or IPv6, from which the token may be used; empty or null: any.',
    type: [String],
    nullable: true,
    maxItems: ADDRESSES_MAX,
    example: ['192.0.2.0/24', '2001:db8::1'],
  })
  @MayBeCleared()
  @AreAddressRanges(ADDRESSES_MAX)
  authorizedIpAddresses?: string[] | null;

  @ApiPropertyOptional({
    description: 'Requests per minute; null: not limited by the token.',
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: RATE_LIMIT_MAX,
    example: 600,
  })
  @MayBeCleared()
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(RATE_LIMIT_MAX, { message: `must be at most ${RATE_LIMIT_MAX}` })
  rateLimit?: number | null;

  @ApiPropertyOptional({
    description: 'Keys and values of your own, to find the token by; null: none.',
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string', maxLength: 255 },
    example: { team: 'payments' },
  })
  @MayBeCleared()
  @IsAnnotations(ANNOTATIONS_MAX)
  annotations?: Record<string, string> | null;

  @ApiPropertyOptional({
    description: 'From when on it no longer works; null or absent: as the policy of the organization says.',
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: '2030-01-31T12:00:00Z',
  })
  @MayBeCleared()
  @IsRfc3339()
  expiresAt?: string | null;
}

@IgnoresMembers(...READ_ONLY)
export class CreateTokenRequest extends TokenSettings {
  @ApiProperty({
    description: 'Name for people, unique among the tokens of the owner that are not revoked.',
    minLength: 1,
    maxLength: 100,
    example: 'Deploy from CI',
  })
  @IsDisplayText(100)
  name: string;

  @ApiPropertyOptional({
    description: 'Slug; left out, one is made from the name. It never changes.',
    minLength: 2,
    maxLength: 100,
    example: 'deploy-from-ci',
  })
  @MayBeAbsent()
  @IsSlug()
  slug?: string;

  @ApiProperty({
    description: 'What it may do; none that the caller does not hold.',
    type: [String],
    maxItems: SCOPES_MAX,
    example: ['api_tokens:read', 'deployments:create'],
  })
  @EachItem(SCOPES_MAX, (item) => (typeof item === 'string' ? undefined : 'must be text'))
  scopes: string[];

  static toDraft(body: CreateTokenRequest): TokenDraft {
    return { name: body.name, slug: body.slug, scopes: body.scopes, ...settingsOf(body) };
  }
}

@IgnoresMembers(...READ_ONLY)
export class UpdateTokenRequest extends TokenSettings {
  @ApiPropertyOptional({
    description: 'Slug, as it is: it never changes.',
    minLength: 2,
    maxLength: 100,
    example: 'deploy-from-ci',
  })
  @MayBeAbsent()
  @IsSlug()
  slug?: string;

  @ApiPropertyOptional({
    description: 'Name for people, unique among the tokens of the owner that are not revoked.',
    minLength: 1,
    maxLength: 100,
    example: 'Deploy from CI',
  })
  @MayBeAbsent()
  @IsDisplayText(100)
  name?: string;

  @ApiPropertyOptional({
    description: 'What it may do; none that the caller does not hold.',
    type: [String],
    maxItems: SCOPES_MAX,
    example: ['api_tokens:read'],
  })
  @MayBeAbsent()
  @EachItem(SCOPES_MAX, (item) => (typeof item === 'string' ? undefined : 'must be text'))
  scopes?: string[];

  static toChanges(body: UpdateTokenRequest): TokenChanges {
    return { slug: body.slug, name: body.name, scopes: body.scopes, ...settingsOf(body) };
  }
}

@MayBeLeftOut()
export class RotateTokenRequest {
  @ApiPropertyOptional({
    description: 'How long the old secrets go on working, in seconds; absent: they stop at once.',
    type: 'integer',
    minimum: 0,
    example: 3600,
  })
  @MayBeAbsent()
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  gracePeriodSeconds?: number;
}

function settingsOf(
  body: TokenSettings,
): Pick<TokenChanges, 'authorizedIpAddresses' | 'rateLimit' | 'annotations' | 'expiresAt'> {
  const { authorizedIpAddresses: sent } = body;
  const ranges = (sent ?? []).map((text) => {
    const parsed = parseAddressRange(text);
    return 'range' in parsed ? parsed.range : text;
  });
  return {
    authorizedIpAddresses: sent === undefined ? undefined : [...new Set(ranges)],
    rateLimit: body.rateLimit,
    annotations: body.annotations === null ? {} : body.annotations,
    expiresAt: body.expiresAt === undefined || body.expiresAt === null ? body.expiresAt : parseRfc3339(body.expiresAt),
  };
}
