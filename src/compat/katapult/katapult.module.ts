import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../../organizations/organizations.module.js';
import { ServiceAccountsModule } from '../../service-accounts/service-accounts.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { KatapultErrorFilter } from './katapult-error.filter.js';
import { KatapultLookups } from './katapult-lookups.service.js';
import { KatapultOrganizationsController } from './katapult-organizations.controller.js';
import { KatapultTokensController } from './katapult-tokens.controller.js';
import { KatapultInterceptor } from './katapult.interceptor.js';

/** The API tokens of an organization for clients of the Katapult core API. */
@Module({
  imports: [OrganizationsModule, TokensModule, ServiceAccountsModule],
  controllers: [KatapultTokensController, KatapultOrganizationsController],
  providers: [KatapultErrorFilter, KatapultInterceptor, KatapultLookups],
})
export class KatapultModule {}
