import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { SCOPES_MAX } from '../../../access/scopes.js';
import { KatapultAnnotation } from './katapult-api-token.js';

// These document what `arguments.ts` reads: this dialect has refusals of its own for arguments, where class-validator knows one.

const TOKEN_ID = 'tok_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e';
const ORGANIZATION_ID = 'org_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e';
const BY_ID = 'The token, by its id. May be left out where the id is in the path.';

/** Exactly one member. */
export class KatapultOrganizationLookup {
  @ApiPropertyOptional({ description: 'Id.', example: ORGANIZATION_ID })
  id?: string;

  @ApiPropertyOptional({ description: 'Sub-domain, instead of the id.', example: 'acme' })
  sub_domain?: string;
}

export class KatapultApiTokenLookup {
  @ApiProperty({ description: 'Id.', example: TOKEN_ID })
  id: string;
}

export class KatapultApiTokenProperties {
  @ApiPropertyOptional({
    description: 'Name for people, unique among the live tokens of its owner. Required for a new token.',
    minLength: 1,
    maxLength: 100,
    example: 'Deploy from CI',
  })
  name?: string;

  @ApiPropertyOptional({
    description: 'Addresses and CIDR ranges, IPv4 or IPv6, from which it may be used; empty: any.',
    type: [String],
    maxItems: 100,
    example: ['192.0.2.0/24', '2001:db8::1'],
  })
  authorized_ip_addresses?: string[];

  @ApiPropertyOptional({
    description:
      'From when on it no longer works, in seconds since 1970; null: as the policy of the organization says.',
    type: 'integer',
    nullable: true,
    example: 1893456000,
  })
  expires_at?: number | null;

  @ApiPropertyOptional({
    description: 'What it may do; none that the caller does not hold. Left out for a new token: nothing.',
    type: [String],
    maxItems: SCOPES_MAX,
    example: ['api_tokens:read', 'deployments:create'],
  })
  scopes?: string[];
}

export class KatapultCreateApiTokenArguments {
  @ApiProperty({
    description:
      'Organization to make it in, by one of id and sub_domain. May be left out where the id is in the path.',
    type: () => KatapultOrganizationLookup,
    example: { id: ORGANIZATION_ID },
  })
  organization: KatapultOrganizationLookup;

  @ApiProperty({
    description: 'What it shall be like.',
    type: () => KatapultApiTokenProperties,
    example: { name: 'Deploy from CI', scopes: ['deployments:create'], expires_at: 1893456000 },
  })
  properties: KatapultApiTokenProperties;

  @ApiPropertyOptional({ description: 'Keys and values to attach to it.', type: () => [KatapultAnnotation] })
  annotations?: KatapultAnnotation[];
}

export class KatapultApiTokenArguments {
  @ApiProperty({ description: BY_ID, type: () => KatapultApiTokenLookup, example: { id: TOKEN_ID } })
  api_token: KatapultApiTokenLookup;
}

export class KatapultUpdateApiTokenArguments extends KatapultApiTokenArguments {
  @ApiProperty({
    description: 'What shall change; what is left out stays as it is.',
    type: () => KatapultApiTokenProperties,
    example: { scopes: ['deployments:create'], authorized_ip_addresses: ['192.0.2.0/24', '2001:db8::1'] },
  })
  properties: KatapultApiTokenProperties;

  @ApiPropertyOptional({
    description: 'Keys and values that take the place of those attached to it; left out, they stay.',
    type: () => [KatapultAnnotation],
  })
  annotations?: KatapultAnnotation[];
}
