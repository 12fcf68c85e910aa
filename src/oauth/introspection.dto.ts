import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

export class IntrospectionRequest {
  @ApiProperty({ description: 'The secret.', example: 'kws_0000000000000000000000000000000000000000000000000' })
  token: string;

  @ApiPropertyOptional({ description: 'Accepted and ignored: there is one type.', example: 'access_token' })
  token_type_hint?: string;

  @ApiPropertyOptional({
    description: 'Address that the bearer calls from; an extension of ours.',
    example: '192.0.2.7',
  })
  ip_address?: string;
}

/** RFC 7662 §2.2. */
export class IntrospectionResponse {
  @ApiProperty({ description: 'Whether the token is good.', example: true })
  active: boolean;

  @ApiPropertyOptional({ description: 'Scopes, separated by spaces.', example: 'deployments:create api_tokens:read' })
  scope?: string;

  @ApiPropertyOptional({
    description: 'Id of the service account; of the token where there is none.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  client_id?: string;

  @ApiPropertyOptional({
    description: 'Id of the service account or the person; of the token where there is neither.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  sub?: string;

  @ApiPropertyOptional({ description: 'Name of the owner.', example: 'CI pipeline' })
  username?: string;

  @ApiPropertyOptional({ description: 'How it is sent.', example: 'Bearer' })
  token_type?: string;

  @ApiPropertyOptional({ description: 'Expiry, in seconds since 1970.', type: 'integer', example: 1893456000 })
  exp?: number;

  @ApiPropertyOptional({
    description: 'When it was issued, in seconds since 1970.',
    type: 'integer',
    example: 1861920000,
  })
  iat?: number;

  @ApiPropertyOptional({ description: 'Id of the token.', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  jti?: string;

  @ApiPropertyOptional({
    description: 'Id of the organization; an extension of ours.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  organization_id?: string;
}
