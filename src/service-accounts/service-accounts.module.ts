import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { ServiceAccountTokensController } from './service-account-tokens.controller.js';
import { ServiceAccountsController } from './service-accounts.controller.js';
import { ServiceAccountsService } from './service-accounts.service.js';
import { TokenOwners } from './token-owners.service.js';

/** Machines' identities, and the tokens under them. */
@Module({
  imports: [OrganizationsModule, TokensModule],
  controllers: [ServiceAccountsController, ServiceAccountTokensController],
  providers: [ServiceAccountsService, TokenOwners],
  exports: [ServiceAccountsService, TokenOwners],
})
export class ServiceAccountsModule {}
