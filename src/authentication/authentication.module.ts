import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from '../access/access.guard.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { RateLimitGuard } from '../rate-limit/rate-limit.guard.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { JwtStrategy } from './jwt.strategy.js';
import { JwtTrust } from './jwt-trust.js';

/** Who is calling: JWTs and API tokens, for every route of the application. */
@Module({
  imports: [OrganizationsModule],
  providers: [
    JwtTrust,
    JwtStrategy,
    // Global guards run in this order: first who, then how often, then whether.
    { provide: APP_GUARD, useClass: AuthenticationGuard },
    { provide: APP_GUARD, useExisting: RateLimitGuard },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
})
export class AuthenticationModule {}
