import { Module } from '@nestjs/common';
import { TokensModule } from '../tokens/tokens.module.js';
import { joinClusterMetrics } from './cluster-metrics.js';
import { MetricsController } from './metrics.controller.js';
import { ServiceMetrics } from './service-metrics.js';

/** What the operator watches. */
@Module({ imports: [TokensModule], controllers: [MetricsController], providers: [ServiceMetrics] })
export class MetricsModule {
  constructor({ registry }: ServiceMetrics) {
    joinClusterMetrics(registry);
  }
}
