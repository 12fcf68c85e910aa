import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IgnoresMembers } from '../../common/request.pipe.js';
import { IsDisplayText, IsSlug, MayBeAbsent } from '../../common/validation-rules.js';
import type { Member } from '../members.service.js';

@IgnoresMembers('id', 'createdAt')
export class AddMemberRequest {
  @ApiProperty({
    description: 'The sub claim of the person.',
    minLength: 1,
    maxLength: 255,
    example: 'auth0|507f1f77bcf86cd799439011',
  })
  @IsDisplayText(255)
  subject: string;

  @ApiPropertyOptional({
    description: 'The iss claim of the person; left out: the issuer that the service trusts.',
    minLength: 1,
    maxLength: 2048,
    example: 'https://id.example.com',
  })
  @MayBeAbsent()
  @IsDisplayText(2048)
  issuer?: string;

  @ApiPropertyOptional({ description: 'Name for people.', minLength: 1, maxLength: 200, example: 'Ada Lovelace' })
  @MayBeAbsent()
  @IsDisplayText(200)
  name?: string;

  @ApiProperty({ description: 'Slug of a role.', example: 'editor' })
  @IsSlug()
  role: string;
}

@IgnoresMembers('id', 'issuer', 'subject', 'name', 'createdAt')
export class UpdateMemberRequest {
  @ApiProperty({ description: 'Slug of a role.', example: 'viewer' })
  @IsSlug()
  role: string;
}

export class MemberResponse {
  @ApiProperty({ description: 'Id of the person.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'The iss claim of the person.', example: 'https://id.example.com' })
  issuer: string;

  @ApiProperty({ description: 'The sub claim of the person.', example: 'auth0|507f1f77bcf86cd799439011' })
  subject: string;

  @ApiPropertyOptional({ description: 'Name for people.', example: 'Ada Lovelace' })
  name?: string;

  @ApiProperty({ description: 'Slug of the role.', example: 'editor' })
  role: string;

  @ApiProperty({
    description: 'When the person became a member.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  createdAt: string;

  static of({ id, issuer, subject, name, role, createdAt }: Member): MemberResponse {
    return { id, issuer, subject, name: name ?? undefined, role, createdAt: createdAt.toISOString() };
  }
}

export class MemberPageResponse {
  @ApiProperty({ description: 'Members, newest first.', type: () => [MemberResponse] })
  items: MemberResponse[];

  @ApiPropertyOptional({ description: 'Cursor of the next page; absent on the last one.', example: 'bWVtYmVyc3wxNzM4' })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}
