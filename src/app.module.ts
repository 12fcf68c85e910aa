import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { AccessModule } from './access/access.module.js';
import { AuditEvent } from './audit/audit-event.entity.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthenticationModule } from './authentication/authentication.module.js';
import { BootstrapModule } from './bootstrap/bootstrap.module.js';
import { KatapultModule } from './compat/katapult/katapult.module.js';
import { UnleashModule } from './compat/unleash/unleash.module.js';
import type { Config } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { openDatabase } from './database/open-database.js';
import { ErrorsModule } from './errors/errors.module.js';
import { ForwardAuthModule } from './forward-auth/forward-auth.module.js';
import { HealthController } from './health/health.controller.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { OAuthModule } from './oauth/oauth.module.js';
import { Membership } from './organizations/membership.entity.js';
import { Organization } from './organizations/organization.entity.js';
import { OrganizationsModule } from './organizations/organizations.module.js';
import { Role } from './organizations/role.entity.js';
import { User } from './organizations/user.entity.js';
import { ProblemsController } from './problems/problems.controller.js';
import { RateLimitModule } from './rate-limit/rate-limit.module.js';
import { ServiceAccount } from './service-accounts/service-account.entity.js';
import { ServiceAccountsModule } from './service-accounts/service-accounts.module.js';
import { Annotation } from './tokens/annotation.entity.js';
import { TokenSecret } from './tokens/token-secret.entity.js';
import { Token } from './tokens/token.entity.js';
import { TokensModule } from './tokens/tokens.module.js';
import { VerificationPlane } from './verification/verification-plane.js';
import { VerificationModule } from './verification/verification.module.js';

const ENTITIES = [Organization, User, Membership, Role, ServiceAccount, Token, TokenSecret, Annotation, AuditEvent];

/** The whole application. A door is one line here: without it, the rest works as before. */
@Module({})
export class AppModule {
  static forRoot(config: Config, plane: VerificationPlane): DynamicModule {
    const logger = new Logger('Database');
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(config),
        TypeOrmModule.forRootAsync({
          useFactory: () => ({ type: 'postgres', retryAttempts: 0 }),
          dataSourceFactory: (): Promise<DataSource> =>
            openDatabase(config, ENTITIES, (error) => logger.warn(error.message)),
        }),
        ErrorsModule,
        AccessModule,
        IdempotencyModule,
        AuditModule,
        OrganizationsModule,
        TokensModule,
        ServiceAccountsModule,
        VerificationModule.forRoot(plane),
        AuthenticationModule,
        RateLimitModule,
        OAuthModule,
        KatapultModule,
        UnleashModule,
        ForwardAuthModule,
        MetricsModule,
        BootstrapModule,
      ],
      controllers: [HealthController, ProblemsController],
    };
  }
}
