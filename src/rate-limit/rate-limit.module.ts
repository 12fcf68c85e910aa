import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { FailureLimiter } from './failure-limiter.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimiter } from './rate-limiter.service.js';

/**
 * How often anybody may ask. The guard is only provided here: the authentication module lists it among the global
 * guards, because Nest runs those in the order in which they are listed, and this one belongs between its two.
 */
@Global()
@Module({
  providers: [
    RateLimiter,
    RateLimitGuard,
    {
      provide: FailureLimiter,
      inject: [Config],
      useFactory: ({ settings }: Config) =>
        new FailureLimiter(settings.FAILED_VERIFICATIONS_PER_MINUTE, settings.FAILURE_ADDRESSES_MAX),
    },
  ],
  exports: [RateLimiter, RateLimitGuard, FailureLimiter],
})
export class RateLimitModule {}
