import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { SecretDigests } from './secret-digests.js';
import { TokenGrants } from './token-grants.service.js';
import { TokenIssuer } from './token-issuer.service.js';
import { TokensService } from './tokens.service.js';

/** Tokens and their secrets, whoever owns them. */
@Module({
  imports: [OrganizationsModule],
  providers: [TokensService, TokenIssuer, TokenGrants, SecretDigests],
  exports: [TokensService, TokenIssuer, SecretDigests],
})
export class TokensModule {}
