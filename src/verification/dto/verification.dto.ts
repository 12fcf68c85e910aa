import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { VERIFICATION_CODES } from '../verification-code.js';

/** A question about a token. Read by hand in `verification.endpoint.ts`; this class documents it. */
export class VerifyRequest {
  @ApiProperty({
    description: 'The secret, as its bearer sent it.',
    maxLength: 255,
    example: 'kws_0000000000000000000000000000000000000000000000000',
  })
  token: string;

  @ApiPropertyOptional({
    description: 'Scopes that are needed, all of them.',
    type: [String],
    maxItems: 100,
    example: ['deployments:create'],
  })
  scopes?: string[];

  @ApiPropertyOptional({
    description:
      'Address that the bearer calls from. Send it: authorized addresses are checked against it, and failed attempts are counted by it instead of by your own address.',
    example: '192.0.2.7',
  })
  ipAddress?: string;

  @ApiPropertyOptional({
    description: "How much of the token's rate limit the request is worth.",
    type: 'integer',
    minimum: 0,
    default: 1,
    example: 1,
  })
  cost?: number;
}

export class VerifyBatchRequest {
  @ApiProperty({ description: 'Questions, at most 1000.', type: () => [VerifyRequest], maxItems: 1_000 })
  tokens: VerifyRequest[];
}

export class VerifiedOrganizationResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Slug.', example: 'demo' })
  slug: string;
}

export class VerifiedOwnerResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiPropertyOptional({ description: 'Slug, of a service account.', example: 'ci-pipeline' })
  slug?: string;

  @ApiPropertyOptional({ description: 'Name for people.', example: 'CI pipeline' })
  name?: string;
}

export class VerifiedTokenResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Slug.', example: 'deploy-from-ci' })
  slug: string;

  @ApiProperty({ description: 'Name for people.', example: 'Deploy from CI' })
  name: string;
}

export class RateLimitStateResponse {
  @ApiProperty({ description: 'Requests per minute.', type: 'integer', example: 600 })
  limit: number;

  @ApiProperty({ description: 'How many are left.', type: 'integer', example: 599 })
  remaining: number;

  @ApiProperty({ description: 'Seconds until all are there again.', type: 'integer', example: 42 })
  resetSeconds: number;
}

export class VerificationResponse {
  @ApiProperty({ description: 'Whether the request that carries the token may go on.', example: true })
  valid: boolean;

  @ApiProperty({
    description:
      'VALID, or the first reason against it: NOT_FOUND (also for a token of another organization), REVOKED, EXPIRED, DISABLED (its service account), SUSPENDED (its organization), FORBIDDEN_ADDRESS, INSUFFICIENT_SCOPE, RATE_LIMITED.',
    enum: VERIFICATION_CODES,
    example: 'VALID',
  })
  code: string;

  @ApiPropertyOptional({
    description: 'Organization that the token belongs to.',
    type: () => VerifiedOrganizationResponse,
  })
  organization?: VerifiedOrganizationResponse;

  @ApiPropertyOptional({ description: 'Service account that it belongs to.', type: () => VerifiedOwnerResponse })
  serviceAccount?: VerifiedOwnerResponse;

  @ApiPropertyOptional({ description: 'Person that it belongs to.', type: () => VerifiedOwnerResponse })
  user?: VerifiedOwnerResponse;

  @ApiPropertyOptional({ description: 'The token.', type: () => VerifiedTokenResponse })
  token?: VerifiedTokenResponse;

  @ApiPropertyOptional({ description: 'What it may do today.', type: [String], example: ['deployments:create'] })
  scopes?: string[];

  @ApiPropertyOptional({
    description: 'From when on it no longer works.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  expiresAt?: string;

  @ApiPropertyOptional({
    description: 'Keys and values of your own.',
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { team: 'payments' },
  })
  annotations?: Record<string, string>;

  @ApiPropertyOptional({
    description: "State of the token's own rate limit, where it has one and this request was counted.",
    type: () => RateLimitStateResponse,
  })
  rateLimit?: RateLimitStateResponse;
}

export class VerificationBatchResponse {
  @ApiProperty({ description: 'Answers, in the order of the questions.', type: () => [VerificationResponse] })
  results: VerificationResponse[];
}
