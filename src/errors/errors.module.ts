import { Global, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Dialects } from './dialects.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';

/** Refusals, and how the native dialect says them. */
@Global()
@Module({
  providers: [RouteTable, Dialects, ProblemFilter, { provide: APP_FILTER, useExisting: ProblemFilter }],
  exports: [RouteTable, Dialects, ProblemFilter],
})
export class ErrorsModule {}
