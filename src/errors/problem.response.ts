import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

/** One thing that is wrong with a request. */
export class ProblemDetailResponse {
  @ApiProperty({ description: 'Where it is: body.…, query.…, path.… or header.…', example: 'body.scopes[1]' })
  location: string;

  @ApiProperty({ description: 'What is expected there.', example: 'is not a scope that can be granted' })
  message: string;

  @ApiPropertyOptional({
    description: 'What was sent, where it is short and no secret.',
    type: 'string',
    example: 'api_token',
  })
  value?: unknown;
}

/** Problem details for HTTP APIs (RFC 9457). */
export class ProblemResponse {
  @ApiProperty({
    description: 'Address of the documentation of this problem.',
    format: 'uri',
    example: 'http://127.0.0.1:3000/problems/request.invalid',
  })
  type: string;

  @ApiProperty({
    description: 'The problem in a few words; the same for every occurrence.',
    example: 'The request breaks a rule',
  })
  title: string;

  @ApiProperty({ description: 'HTTP status code.', type: 'integer', example: 422 })
  status: number;

  @ApiProperty({
    description: 'What a person can do about this occurrence.',
    example: 'is not a scope that can be granted',
  })
  detail: string;

  @ApiProperty({ description: 'Path of the request.', example: '/service-accounts/ci/tokens' })
  instance: string;

  @ApiProperty({ description: 'Code of the problem in the catalogue of errors.', example: 'request.invalid' })
  code: string;

  @ApiProperty({
    description: 'Id of the request, also in the X-Request-Id header and in the log.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  requestId: string;

  @ApiPropertyOptional({
    description: 'Each thing that is wrong, where several may be.',
    type: () => [ProblemDetailResponse],
  })
  errors?: ProblemDetailResponse[];
}
