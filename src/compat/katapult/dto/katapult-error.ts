import { ApiProperty } from '@nestjs/swagger';
import { KATAPULT_ERRORS, type KatapultErrorCode } from '../katapult-errors.js';

export class KatapultErrorMembers {
  @ApiProperty({
    description: 'What went wrong, for programs.',
    enum: Object.keys(KATAPULT_ERRORS),
    example: 'api_token_not_found',
  })
  code: KatapultErrorCode;

  @ApiProperty({ description: 'The same for people.', example: 'No API token was found by what was sent' })
  description: string;

  @ApiProperty({
    description: 'More about this very case; its members depend on the code.',
    type: 'object',
    additionalProperties: true,
    example: {},
  })
  detail: Readonly<Record<string, unknown>>;
}

/** Clients decode one of two forms, so both are served. */
export class KatapultError extends KatapultErrorMembers {
  @ApiProperty({ description: 'The same three members once more.', type: () => KatapultErrorMembers })
  error: KatapultErrorMembers;
}
