import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

export class UnleashErrorDetail {
  @ApiProperty({
    description: 'What is wrong, and what was sent where it is short and no secret.',
    example: 'The `/body/rootRole` property must be the number of a role, or 0 for none. You sent "admin".',
  })
  message: string;

  @ApiPropertyOptional({ description: 'Where it is: /body/… or /params/….', example: '/body/rootRole' })
  path?: string;
}

/** Whatever is refused in this dialect. */
export class UnleashError {
  @ApiProperty({
    description: 'Id of this occurrence.',
    format: 'uuid',
    example: '0192f0c1-5f7e-4cc3-8f0a-0a1f2f3c4d5e',
  })
  id: string;

  @ApiProperty({ description: 'Kind of the error, for programs.', example: 'BadDataError' })
  name: string;

  @ApiProperty({
    description: 'What a person can do about it.',
    example:
      'Request validation failed: the body or a parameter holds what is not valid. The `details` say what and where.',
  })
  message: string;

  @ApiPropertyOptional({
    description: 'Each thing that is wrong with the request.',
    type: () => [UnleashErrorDetail],
  })
  details?: UnleashErrorDetail[];

  @ApiPropertyOptional({
    description: 'Beside a PermissionError: who may do it.',
    type: [String],
    example: ['ADMIN'],
  })
  permissions?: string[];
}
