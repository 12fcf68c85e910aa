import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Caller } from '../access/principal.js';
import { CurrentCaller, RequireAuthentication } from '../access/require-scopes.decorator.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { Refusal } from '../errors/refusal.js';
import { TokenResponse } from '../tokens/dto/token.response.js';
import { TokensService } from '../tokens/tokens.service.js';

@ApiTags('Verification')
@Controller('tokens')
export class CurrentTokenController {
  constructor(private readonly tokens: TokensService) {}

  @Get('current')
  @RequireAuthentication()
  @NativeOperation({
    id: 'getCurrentToken',
    summary: 'Read the token that is used',
    description:
      'The metadata of the very token that the request carries, with the scopes that it has today. A JWT is no token: 404.',
    refusals: [404],
  })
  @ApiOkResponse({ type: TokenResponse, description: 'The token.' })
  async get(@CurrentCaller() { principal }: Caller): Promise<TokenResponse> {
    if (principal.tokenId === undefined)
      throw new Refusal('token.not_found', 'The request carries a JWT, not a token.');
    const token = await this.tokens.getById(principal.organizationId, principal.tokenId);
    return TokenResponse.withScopes(token, principal.scopes);
  }
}
