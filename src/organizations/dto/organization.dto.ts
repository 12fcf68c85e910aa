import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, MaxLength, Min, MinLength } from 'class-validator';
import { IgnoresMembers } from '../../common/request.pipe.js';
import { IsDisplayText, IsSlug, MayBeAbsent, MayBeCleared } from '../../common/validation-rules.js';
import type { Organization } from '../organization.entity.js';

const LIFETIME_SECONDS_MAX = 2_147_483_647; // 68 years, the greatest integer of the column

@IgnoresMembers('id', 'slug', 'externalId', 'isPlatform', 'suspendedAt', 'createdAt')
export class UpdateOrganizationRequest {
  @ApiPropertyOptional({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'Demo GmbH' })
  @MayBeAbsent()
  @IsDisplayText(100)
  name?: string;

  @ApiPropertyOptional({
    description: 'Longest lifetime of a new token, in seconds; null: not limited.',
    type: 'integer',
    nullable: true,
    minimum: 60,
    example: 7776000,
  })
  @MayBeCleared()
  @IsInt({ message: 'must be a whole number' })
  @Min(60, { message: 'must be at least 60' })
  @Max(LIFETIME_SECONDS_MAX, { message: `must be at most ${LIFETIME_SECONDS_MAX}` })
  tokenLifetimeMaxSeconds?: number | null;

  @ApiPropertyOptional({
    description: 'Lifetime of a token that is issued without expiresAt, in seconds; null: none.',
    type: 'integer',
    nullable: true,
    minimum: 60,
    example: 2592000,
  })
  @MayBeCleared()
  @IsInt({ message: 'must be a whole number' })
  @Min(60, { message: 'must be at least 60' })
  @Max(LIFETIME_SECONDS_MAX, { message: `must be at most ${LIFETIME_SECONDS_MAX}` })
  tokenLifetimeDefaultSeconds?: number | null;
}

@IgnoresMembers('id', 'isPlatform', 'suspendedAt', 'createdAt')
export class CreateOrganizationRequest {
  @ApiProperty({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'Acme' })
  @IsDisplayText(100)
  name: string;

  @ApiPropertyOptional({
    description: 'Slug; left out, one is made from the name.',
    minLength: 2,
    maxLength: 100,
    example: 'acme',
  })
  @MayBeAbsent()
  @IsSlug()
  slug?: string;

  @ApiPropertyOptional({
    description: 'Value of the organization claim in the JWTs of its people; left out, no JWT enters it.',
    minLength: 1,
    maxLength: 255,
    example: 'acme',
  })
  @MayBeAbsent()
  @IsDisplayText(255)
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(255, { message: 'must have at most 255 characters' })
  externalId?: string;
}

export class OrganizationResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Slug; the sub_domain of other dialects.', example: 'demo' })
  slug: string;

  @ApiPropertyOptional({ description: 'Value of the organization claim in JWTs.', example: 'demo' })
  externalId?: string;

  @ApiProperty({ description: 'Name for people.', example: 'Demo' })
  name: string;

  @ApiPropertyOptional({
    description: 'Since when it is suspended: no credential of it is accepted.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  suspendedAt?: string;

  @ApiPropertyOptional({
    description: 'Longest lifetime of a new token, in seconds.',
    type: 'integer',
    example: 7776000,
  })
  tokenLifetimeMaxSeconds?: number;

  @ApiPropertyOptional({
    description: 'Lifetime of a token that is issued without expiresAt, in seconds.',
    type: 'integer',
    example: 2592000,
  })
  tokenLifetimeDefaultSeconds?: number;

  @ApiProperty({ description: 'When it was created.', format: 'date-time', example: '2030-01-31T12:00:00.000Z' })
  createdAt: string;

  static of(organization: Organization): OrganizationResponse {
    return {
      id: organization.id,
      slug: organization.slug,
      externalId: organization.externalId ?? undefined,
      name: organization.name,
      suspendedAt: organization.suspendedAt?.toISOString(),
      tokenLifetimeMaxSeconds: organization.tokenLifetimeMaxSeconds ?? undefined,
      tokenLifetimeDefaultSeconds: organization.tokenLifetimeDefaultSeconds ?? undefined,
      createdAt: organization.createdAt.toISOString(),
    };
  }
}

export class OrganizationPageResponse {
  @ApiProperty({ description: 'Organizations, newest first.', type: () => [OrganizationResponse] })
  items: OrganizationResponse[];

  @ApiPropertyOptional({
    description: 'Cursor of the next page; absent on the last one.',
    example: 'b3JnYW5pemF0aW9uc3wxNzM4',
  })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}
