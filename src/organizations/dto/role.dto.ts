import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { CUSTOM_ROLE_NUMBER_MIN, type RoleDefinition } from '../../access/built-in-roles.js';
import { SCOPES_MAX } from '../../access/scopes.js';
import { IgnoresMembers } from '../../common/request.pipe.js';
import { EachItem, IsDisplayText, IsSlug, MayBeAbsent, MayBeCleared } from '../../common/validation-rules.js';
import type { Role } from '../role.entity.js';

@IgnoresMembers('number', 'isBuiltIn', 'createdAt')
export class RoleRequest {
  @ApiProperty({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'Deployer' })
  @IsDisplayText(100)
  name: string;

  @ApiPropertyOptional({
    description: 'Slug; left out, one is made from the name. It never changes.',
    minLength: 2,
    maxLength: 100,
    example: 'deployer',
  })
  @MayBeAbsent()
  @IsSlug()
  slug?: string;

  @ApiPropertyOptional({
    description: 'What it is for; null clears it.',
    nullable: true,
    type: 'string',
    minLength: 1,
    maxLength: 500,
    example: 'May deploy, and nothing else.',
  })
  @MayBeCleared()
  @IsDisplayText(500)
  description?: string | null;

  @ApiProperty({
    description: 'Scopes, or the patterns `*`, `*:read` and `application:*`. None that the caller does not hold.',
    type: [String],
    maxItems: SCOPES_MAX,
    example: ['api_tokens:read', 'deployments'],
  })
  @EachItem(SCOPES_MAX, (item) => (typeof item === 'string' ? undefined : 'must be text'))
  scopes: string[];
}

export class RoleResponse {
  @ApiProperty({ description: 'Number of the role; 1 to 4 are built in.', type: 'integer', example: 100 })
  number: number;

  @ApiProperty({ description: 'Slug.', example: 'deployer' })
  slug: string;

  @ApiProperty({ description: 'Name for people.', example: 'Deployer' })
  name: string;

  @ApiPropertyOptional({ description: 'What it is for.', example: 'May deploy, and nothing else.' })
  description?: string;

  @ApiProperty({ description: 'What it allows.', type: [String], example: ['api_tokens:read', 'deployments'] })
  scopes: string[];

  @ApiProperty({ description: 'Whether every organization has it; such a role cannot be changed.', example: false })
  isBuiltIn: boolean;

  @ApiPropertyOptional({
    description: 'When it was created; absent for a built-in role.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  createdAt?: string;

  static of(role: Role | RoleDefinition): RoleResponse {
    return {
      number: role.number,
      slug: role.slug,
      name: role.name,
      description: role.description ?? undefined,
      scopes: [...role.scopes],
      isBuiltIn: role.number < CUSTOM_ROLE_NUMBER_MIN,
      createdAt: 'createdAt' in role ? role.createdAt.toISOString() : undefined,
    };
  }
}

export class RolePageResponse {
  @ApiProperty({ description: 'Roles, custom ones first, newest first.', type: () => [RoleResponse] })
  items: RoleResponse[];

  @ApiPropertyOptional({ description: 'Cursor of the next page; absent on the last one.', example: 'cm9sZXN8MTczOA' })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}

export class ScopeResponse {
  @ApiProperty({ description: 'The scope.', example: 'api_tokens:read' })
  name: string;

  @ApiProperty({ description: 'What it allows.', example: 'Read the metadata of tokens' })
  description: string;
}

export class ScopesResponse {
  @ApiProperty({ description: 'Scopes of Keyward itself.', type: () => [ScopeResponse] })
  managementScopes: ScopeResponse[];

  @ApiProperty({ description: "The product's own scopes, as the operator declared them.", type: () => [ScopeResponse] })
  applicationScopes: ScopeResponse[];

  @ApiProperty({
    description: 'Whether any scope of the grammar is accepted as one of the product, because none are declared.',
    example: true,
  })
  acceptsAnyApplicationScope: boolean;
}
