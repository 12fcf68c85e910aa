import { Global, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ErrorDialects } from './error-dialects.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';

/** Refusals, and how the native dialect says them. */
@Global()
@Module({
  providers: [RouteTable, ErrorDialects, ProblemFilter, { provide: APP_FILTER, useExisting: ProblemFilter }],
  exports: [RouteTable, ErrorDialects, ProblemFilter],
})
export class ErrorsModule {}
