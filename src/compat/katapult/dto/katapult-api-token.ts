import { ApiProperty } from '@nestjs/swagger';

const SECRET = 'kwo_4f9XkQ2mT7vLr8Wc0ZyB1nHs6JdEaGpUiOqKtRfNxMb3Y5hD';

/** A token as this dialect shows it. What has no value is null, and there. */
export class KatapultApiToken {
  @ApiProperty({ description: 'Id.', example: 'tok_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Name for people.', example: 'Deploy from CI' })
  name: string;

  @ApiProperty({
    description: 'Organization that it belongs to; null for a personal token.',
    type: 'string',
    nullable: true,
    example: 'org_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  organization_id: string | null;

  @ApiProperty({
    description: 'Addresses and CIDR ranges from which it may be used; empty: any.',
    type: [String],
    example: ['192.0.2.0/24'],
  })
  authorized_ip_addresses: readonly string[];

  @ApiProperty({
    description: 'From when on it no longer works, in seconds since 1970; null: never.',
    type: 'integer',
    nullable: true,
    example: 1893456000,
  })
  expires_at: number | null;

  @ApiProperty({ description: 'Requests per minute.', type: 'integer', example: 1000 })
  rate_limit: number;

  @ApiProperty({ description: 'What it may do.', type: [String], example: ['api_tokens:read', 'deployments:create'] })
  scopes: readonly string[];

  @ApiProperty({
    description: 'The secret, where it was just made; null everywhere else.',
    type: 'string',
    nullable: true,
    example: SECRET,
  })
  secret: string | null;
}

export class KatapultAnnotation {
  @ApiProperty({ description: 'Key: 1 to 64 letters, digits or ._/:-', minLength: 1, maxLength: 64, example: 'team' })
  key: string;

  @ApiProperty({ description: 'Value.', maxLength: 255, example: 'payments' })
  value: string;
}

export class KatapultPagination {
  @ApiProperty({ description: 'Number of this page, from 1 on.', type: 'integer', example: 1 })
  current_page: number;

  @ApiProperty({
    description: 'Number of pages; null in a large set.',
    type: 'integer',
    nullable: true,
    example: 1,
  })
  total_pages: number | null;

  @ApiProperty({ description: 'Number of items; null in a large set.', type: 'integer', nullable: true, example: 1 })
  total: number | null;

  @ApiProperty({ description: 'Most items of a page.', type: 'integer', example: 30 })
  per_page: number;

  @ApiProperty({ description: 'Whether there are so many items that they are not counted.', example: false })
  large_set: boolean;
}

export class KatapultApiTokenList {
  @ApiProperty({ description: 'Where in the list this page is.', type: () => KatapultPagination })
  pagination: KatapultPagination;

  @ApiProperty({ description: 'Tokens, newest first.', type: () => [KatapultApiToken] })
  api_tokens: KatapultApiToken[];
}

export class KatapultApiTokenAnswer {
  @ApiProperty({ description: 'The token.', type: () => KatapultApiToken })
  api_token: KatapultApiToken;
}

export class KatapultAnnotatedApiTokenAnswer extends KatapultApiTokenAnswer {
  @ApiProperty({ description: 'Keys and values that are attached to it.', type: () => [KatapultAnnotation] })
  annotations: KatapultAnnotation[];
}

export class KatapultDeletedApiToken {
  @ApiProperty({ description: 'Id.', example: 'tok_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Name that it had.', example: 'Deploy from CI' })
  name: string;
}

export class KatapultDeletedApiTokenAnswer {
  @ApiProperty({ description: 'The token that is no more.', type: () => KatapultDeletedApiToken })
  api_token: KatapultDeletedApiToken;
}
