import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { KeptLists } from './kept-lists.js';
import { OrganizationTokensController } from './organization-tokens.controller.js';
import { OwnedTokens } from './owned-tokens.service.js';
import { PeopleAsOwners } from './people-as-owners.service.js';
import { SecretDigests } from './secret-digests.js';
import { TokenGrants } from './token-grants.service.js';
import { TokenIssuer } from './token-issuer.service.js';
import { TokensService } from './tokens.service.js';
import { UserTokensController } from './user-tokens.controller.js';

/** Tokens and their secrets, whoever owns them. */
@Module({
  imports: [OrganizationsModule],
  controllers: [OrganizationTokensController, UserTokensController],
  providers: [TokensService, OwnedTokens, KeptLists, PeopleAsOwners, TokenIssuer, TokenGrants, SecretDigests],
  exports: [TokensService, OwnedTokens, KeptLists, PeopleAsOwners, TokenIssuer, SecretDigests],
})
export class TokensModule {}
