import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IgnoresUnknownMembers } from '../../../common/request.pipe.js';
import { IsDisplayText, IsSlug, MayBeAbsent } from '../../../common/validation-rules.js';
import { UnleashPat } from './unleash-pat.dto.js';

const ROLE_NUMBER_MAX = 2_147_483_647;

function IsRoleNumber(): PropertyDecorator {
  const message = `must be the number of a role, or 0 for none`;
  return (target, property) => {
    for (const rule of [IsInt({ message }), Min(0, { message }), Max(ROLE_NUMBER_MAX, { message })])
      rule(target, property);
  };
}

@IgnoresUnknownMembers()
export class CreateUnleashServiceAccountRequest {
  @ApiProperty({
    description:
      'Handle of the account: lower-case letters, digits and hyphens, unique among the accounts of the organization. It never changes.',
    minLength: 2,
    maxLength: 100,
    example: 'deploy-bot',
  })
  @IsSlug()
  username: string;

  @ApiProperty({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'Deploy bot' })
  @IsDisplayText(100)
  name: string;

  @ApiProperty({
    description: 'Number of its role; 0: none, its tokens of this dialect may then do nothing.',
    type: 'integer',
    minimum: 0,
    maximum: ROLE_NUMBER_MAX,
    example: 2,
  })
  @IsRoleNumber()
  rootRole: number;
}

@IgnoresUnknownMembers()
export class UpdateUnleashServiceAccountRequest {
  @ApiPropertyOptional({ description: 'Name for people.', minLength: 1, maxLength: 100, example: 'Deploy bot' })
  @MayBeAbsent()
  @IsDisplayText(100)
  name?: string;

  @ApiPropertyOptional({
    description: 'Number of its role; 0: none.',
    type: 'integer',
    minimum: 0,
    maximum: ROLE_NUMBER_MAX,
    example: 2,
  })
  @MayBeAbsent()
  @IsRoleNumber()
  rootRole?: number;
}

export class UnleashServiceAccount {
  @ApiProperty({ description: 'Number of the account.', type: 'integer', minimum: 1, example: 4 })
  id: number;

  @ApiProperty({ description: 'Always false: it is an account, not a token.', type: 'boolean', example: false })
  isAPI: false;

  @ApiProperty({ description: 'Name for people.', example: 'Deploy bot' })
  name: string;

  @ApiProperty({ description: 'Handle, unique among the accounts of the organization.', example: 'deploy-bot' })
  username: string;

  @ApiProperty({
    description: 'Address of a picture: a neutral one, which no other host is asked for.',
    example: 'data:image/svg+xml,%3Csvg/%3E',
  })
  imageUrl: string;

  @ApiProperty({ description: 'Number of its role; 0: none.', type: 'integer', minimum: 0, example: 2 })
  rootRole: number;

  @ApiProperty({ description: 'When it was created.', format: 'date-time', example: '2029-01-31T12:00:00.000Z' })
  createdAt: string;

  @ApiProperty({
    description: 'Its newest tokens; the list of its tokens shows all.',
    type: () => [UnleashPat],
  })
  tokens: UnleashPat[];
}

export class UnleashRole {
  @ApiProperty({ description: 'Number of the role.', type: 'integer', minimum: 1, example: 2 })
  id: number;

  @ApiProperty({
    description: 'root: a role that every organization has; root-custom: one that this organization added.',
    enum: ['root', 'root-custom'],
    example: 'root',
  })
  type: 'root' | 'root-custom';

  @ApiProperty({ description: 'Name for people.', example: 'Editor' })
  name: string;

  @ApiProperty({ description: 'What it is for.', example: 'Service accounts and tokens.' })
  description: string;

  @ApiProperty({ description: 'Always null: roles are of the whole organization.', type: 'null', example: null })
  project: null;
}

export class UnleashServiceAccounts {
  @ApiProperty({ description: 'All accounts, newest first.', type: () => [UnleashServiceAccount] })
  serviceAccounts: UnleashServiceAccount[];

  @ApiProperty({ description: 'The roles that an account can be given, by number.', type: () => [UnleashRole] })
  rootRoles: UnleashRole[];
}
