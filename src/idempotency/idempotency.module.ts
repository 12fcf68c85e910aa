import { Global, Module } from '@nestjs/common';
import { IdempotencyService } from './idempotency.js';

/** Creations that may be sent again. Global: every module that creates offers it. */
@Global()
@Module({ providers: [IdempotencyService], exports: [IdempotencyService] })
export class IdempotencyModule {}
