import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../../organizations/organizations.module.js';
import { ServiceAccountsModule } from '../../service-accounts/service-accounts.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UnleashDialect } from './unleash-dialect.js';
import { UnleashErrorFilter } from './unleash-error.filter.js';
import { UnleashPatsService } from './unleash-pats.service.js';
import { UnleashServiceAccountsController } from './unleash-service-accounts.controller.js';
import { UnleashTokensController } from './unleash-tokens.controller.js';
import { UnleashUserTokensController } from './unleash-user-tokens.controller.js';

/** Service accounts and their tokens for clients of the Unleash admin API. */
@Module({
  imports: [OrganizationsModule, ServiceAccountsModule, TokensModule],
  controllers: [UnleashServiceAccountsController, UnleashTokensController, UnleashUserTokensController],
  providers: [UnleashDialect, UnleashErrorFilter, UnleashPatsService],
})
export class UnleashModule {}
