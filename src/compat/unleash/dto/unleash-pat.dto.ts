import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IgnoresUnknownMembers } from '../../../common/request.pipe.js';
import { IsDisplayText, IsRfc3339 } from '../../../common/validation-rules.js';

@IgnoresUnknownMembers()
export class CreateUnleashPatRequest {
  @ApiProperty({
    description: 'What it is for, unique among the tokens of the owner.',
    minLength: 1,
    maxLength: 100,
    example: 'Nightly export',
  })
  @IsDisplayText(100)
  description: string;

  @ApiProperty({
    description: 'From when on it no longer works. In the future, with up to nine fractional digits.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  @IsRfc3339()
  expiresAt: string;
}

/** A token as this dialect shows it. It has no scopes of its own: it may do what the role of its owner allows. */
export class UnleashPat {
  @ApiProperty({ description: 'Number of the token.', type: 'integer', minimum: 1, example: 7 })
  id: number;

  @ApiProperty({ description: 'What it is for.', example: 'Nightly export' })
  description: string;

  @ApiProperty({
    description:
      'From when on it no longer works. The last millisecond of the year 9999 stands for never, which other dialects may choose.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  expiresAt: string;

  @ApiProperty({ description: 'When it was issued.', format: 'date-time', example: '2029-01-31T12:00:00.000Z' })
  createdAt: string;

  @ApiProperty({
    description: 'When it was used last; null: not yet.',
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: '2029-06-30T12:00:00.000Z',
  })
  seenAt: string | null;

  @ApiPropertyOptional({
    description: 'Number of the service account that it belongs to; absent for the token of a person.',
    type: 'integer',
    minimum: 1,
    example: 4,
  })
  userId?: number;
}

export class IssuedUnleashPat extends UnleashPat {
  @ApiProperty({
    description: 'What authenticates. It is shown once and kept nowhere.',
    example: 'kws_0000000000000000000000000000000000000000000000000',
  })
  secret: string;
}

export class UnleashPats {
  @ApiProperty({ description: 'Tokens that are not deleted, newest first.', type: () => [UnleashPat] })
  pats: UnleashPat[];
}
