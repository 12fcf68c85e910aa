import { Module } from '@nestjs/common';
import { joinClusterMetrics } from './cluster-metrics.js';
import { MetricsController } from './metrics.controller.js';
import { ServiceMetrics } from './service-metrics.js';

/** What the operator watches. */
@Module({ controllers: [MetricsController], providers: [ServiceMetrics] })
export class MetricsModule {
  constructor({ registry }: ServiceMetrics) {
    joinClusterMetrics(registry);
  }
}
