import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { ServiceAccountsModule } from '../service-accounts/service-accounts.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { InitialTokens } from './initial-tokens.service.js';

/** What is there before anybody has called. */
@Module({ imports: [OrganizationsModule, ServiceAccountsModule, TokensModule], providers: [InitialTokens] })
export class BootstrapModule {}
