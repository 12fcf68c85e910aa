import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IgnoresMembers } from '../../common/request.pipe.js';
import { IsDisplayText, IsSlug, MayBeAbsent, MayBeCleared } from '../../common/validation-rules.js';
import { TokenResponse, UserResponse } from '../../tokens/dto/token.response.js';
import type { ServiceAccountView } from '../service-accounts.service.js';

const READ_ONLY = ['id', 'number', 'externalId', 'disabledAt', 'createdAt', 'createdBy', 'tokens'];

@IgnoresMembers(...READ_ONLY)
export class CreateServiceAccountRequest {
  @ApiProperty({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'CI pipeline' })
  @IsDisplayText(100)
  name: string;

  @ApiPropertyOptional({
    description: 'Slug; left out, one is made from the name. It never changes.',
    minLength: 2,
    maxLength: 100,
    example: 'ci-pipeline',
  })
  @MayBeAbsent()
  @IsSlug()
  slug?: string;

  @ApiPropertyOptional({
    description: 'What it is for; null clears it.',
    type: 'string',
    nullable: true,
    minLength: 1,
    maxLength: 500,
    example: 'Deploys to production.',
  })
  @MayBeCleared()
  @IsDisplayText(500)
  description?: string | null;

  @ApiPropertyOptional({
    description: 'Slug of a role: a ceiling on what its tokens may do; null: none.',
    type: 'string',
    nullable: true,
    example: 'editor',
  })
  @MayBeCleared()
  @IsSlug()
  role?: string | null;
}

@IgnoresMembers(...READ_ONLY)
export class UpdateServiceAccountRequest extends CreateServiceAccountRequest {}

export class ServiceAccountResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Number, the id in the Unleash dialect.', type: 'integer', example: 4 })
  number: number;

  @ApiProperty({ description: 'Slug, unique in the organization.', example: 'ci-pipeline' })
  slug: string;

  @ApiProperty({
    description: 'Id for use outside of Keyward.',
    pattern: '^ksa_[A-Za-z0-9_-]{32}$',
    example: 'ksa_Zk3mP0xW8qLr5TtYv2NcBd7HfJgKs9Qe',
  })
  externalId: string;

  @ApiProperty({ description: 'Name for people.', example: 'CI pipeline' })
  name: string;

  @ApiPropertyOptional({ description: 'What it is for.', example: 'Deploys to production.' })
  description?: string;

  @ApiPropertyOptional({ description: 'Slug of the role that is the ceiling of its tokens.', example: 'editor' })
  role?: string;

  @ApiPropertyOptional({
    description: 'Since when its tokens are refused.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  disabledAt?: string;

  @ApiProperty({ description: 'When it was created.', format: 'date-time', example: '2030-01-31T12:00:00.000Z' })
  createdAt: string;

  @ApiPropertyOptional({ description: 'Who created it.', type: () => UserResponse })
  createdBy?: UserResponse;

  @ApiProperty({
    description: 'Metadata of its newest tokens; its tokens list shows all.',
    type: () => [TokenResponse],
  })
  tokens: TokenResponse[];

  static of({ account, roleSlug, owner, tokens }: ServiceAccountView): ServiceAccountResponse {
    return {
      id: account.id,
      number: account.number,
      slug: account.slug,
      externalId: account.externalId,
      name: account.name,
      description: account.description ?? undefined,
      role: roleSlug,
      disabledAt: account.disabledAt?.toISOString(),
      createdAt: account.createdAt.toISOString(),
      createdBy: UserResponse.of(account.createdById, account.createdByName),
      tokens: tokens.map((token) => TokenResponse.of(token, owner)),
    };
  }
}

export class ServiceAccountPageResponse {
  @ApiProperty({ description: 'Service accounts, newest first.', type: () => [ServiceAccountResponse] })
  items: ServiceAccountResponse[];

  @ApiPropertyOptional({
    description: 'Cursor of the next page; absent on the last one.',
    example: 'c2VydmljZS1hY2NvdW50c3wxNzM4',
  })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}
