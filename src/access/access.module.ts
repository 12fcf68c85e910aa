import { Global, Module } from '@nestjs/common';
import { ScopeRegistry } from './scope-registry.js';

/** Vocabulary that every module uses. */
@Global()
@Module({ providers: [ScopeRegistry], exports: [ScopeRegistry] })
export class AccessModule {}
