import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { statedScopes, type TokenOwner } from '../token-owner.js';
import type { TokenView } from '../token-view.js';
import type { IssuedToken } from '../tokens.service.js';

export class UserResponse {
  @ApiProperty({
    description: 'Id of the person, the service account or the token that acted.',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  id: string;

  @ApiPropertyOptional({ description: 'Its name at that time.', example: 'Ada Lovelace' })
  name?: string;

  static of(id: string, name: string | null): UserResponse {
    return name === null ? { id } : { id, name };
  }
}

export type TokenStatus = 'active' | 'expired' | 'revoked';

export class TokenResponse {
  @ApiProperty({ description: 'Id.', format: 'uuid', example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Number, the id in the Unleash dialect.', type: 'integer', example: 17 })
  number: number;

  @ApiProperty({
    description: 'Slug, unique among the tokens of the owner, revoked ones included.',
    example: 'deploy-from-ci',
  })
  slug: string;

  @ApiProperty({ description: 'Name for people.', example: 'Deploy from CI' })
  name: string;

  @ApiProperty({
    description: 'What it may do; those of the role of its owner where it has none of its own.',
    type: [String],
    example: ['api_tokens:read', 'deployments:create'],
  })
  scopes: string[];

  @ApiPropertyOptional({
    description: 'Service account that it belongs to.',
    format: 'uuid',
    example: '0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e',
  })
  serviceAccountId?: string;

  @ApiProperty({
    description: 'Whether it works, as far as the token itself tells.',
    enum: ['active', 'expired', 'revoked'],
    example: 'active',
  })
  status: TokenStatus;

  @ApiProperty({
    description: 'Addresses and ranges from which it may be used; empty: any.',
    type: [String],
    example: ['192.0.2.0/24'],
  })
  authorizedIpAddresses: string[];

  @ApiPropertyOptional({ description: 'Requests per minute.', type: 'integer', example: 600 })
  rateLimit?: number;

  @ApiProperty({
    description: 'Keys and values of your own.',
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { team: 'payments' },
  })
  annotations: Record<string, string>;

  @ApiProperty({ description: 'When it was issued.', format: 'date-time', example: '2030-01-31T12:00:00.000Z' })
  createdAt: string;

  @ApiProperty({ description: 'Who issued it.', type: () => UserResponse })
  createdBy: UserResponse;

  @ApiPropertyOptional({
    description: 'From when on it no longer works.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  expiresAt?: string;

  @ApiPropertyOptional({
    description: 'When it was revoked.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  revokedAt?: string;

  @ApiPropertyOptional({ description: 'Who revoked it.', type: () => UserResponse })
  revokedBy?: UserResponse;

  @ApiPropertyOptional({
    description: 'When it was last used; written down every few seconds.',
    format: 'date-time',
    example: '2030-01-31T12:00:00.000Z',
  })
  lastUsedAt?: string;

  @ApiPropertyOptional({ description: 'Address of its last use.', example: '192.0.2.7' })
  lastUsedIpAddress?: string;

  @ApiPropertyOptional({ description: 'User agent of its last use.', example: 'curl/8.5.0' })
  lastUsedUserAgent?: string;

  static of(token: TokenView, owner: TokenOwner): TokenResponse {
    return TokenResponse.withScopes(token, statedScopes(owner, token.scopes));
  }

  static withScopes(token: TokenView, scopes: readonly string[]): TokenResponse {
    return {
      id: token.id,
      number: token.number,
      slug: token.slug,
      name: token.name,
      scopes: [...scopes],
      serviceAccountId: token.serviceAccountId ?? undefined,
      status: statusOf(token, new Date().toISOString()),
      authorizedIpAddresses: [...token.authorizedIpAddresses],
      rateLimit: token.rateLimit ?? undefined,
      annotations: { ...token.annotations },
      createdAt: token.createdAt,
      createdBy: UserResponse.of(token.createdById, token.createdByName),
      expiresAt: token.expiresAt ?? undefined,
      revokedAt: token.revokedAt ?? undefined,
      revokedBy: token.revokedById === null ? undefined : UserResponse.of(token.revokedById, token.revokedByName),
      lastUsedAt: token.lastUsedAt ?? undefined,
      lastUsedIpAddress: token.lastUsedIp ?? undefined,
      lastUsedUserAgent: token.lastUsedUserAgent ?? undefined,
    };
  }
}

/** @param now as `Date.toISOString` writes it */
export function statusOf(token: Pick<TokenView, 'revokedAt' | 'expiresAt'>, now: string): TokenStatus {
  if (token.revokedAt !== null) return 'revoked';
  return token.expiresAt !== null && token.expiresAt <= now ? 'expired' : 'active';
}

export class IssuedTokenResponse extends TokenResponse {
  @ApiPropertyOptional({
    description: 'The secret. Shown here and never again; absent when an Idempotency-Key was sent a second time.',
    example: 'kws_4f9XkQ2mT7vLr8Wc0ZyB1nHs6JdEaGpUiOqKtRfNxMb3Y5hD',
  })
  token?: string;

  static ofIssued({ token, secret }: IssuedToken, owner: TokenOwner): IssuedTokenResponse {
    return { ...TokenResponse.of(token, owner), ...(secret === undefined ? {} : { token: secret }) };
  }
}

export class TokenPageResponse {
  @ApiProperty({ description: 'Tokens, newest first.', type: () => [TokenResponse] })
  items: TokenResponse[];

  @ApiPropertyOptional({ description: 'Cursor of the next page; absent on the last one.', example: 'dG9rZW5zfDE3Mzg' })
  nextCursor?: string;

  @ApiProperty({ description: 'Whether there is a next page.', example: false })
  hasMore: boolean;
}
