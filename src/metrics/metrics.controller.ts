import cluster from 'node:cluster';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-scopes.decorator.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { NotRateLimited } from '../rate-limit/not-rate-limited.decorator.js';
import { askForClusterMetrics } from './cluster-metrics.js';
import { ServiceMetrics } from './service-metrics.js';

@ApiTags('Service')
@Public()
@NotRateLimited()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: ServiceMetrics) {}

  @Get()
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiProduces('text/plain')
  @NativeOperation({
    id: 'getMetrics',
    summary: 'Metrics',
    description:
      'For Prometheus, of all workers of the instance together. They name no tenant and no token; keep the path inside your network all the same.',
  })
  @ApiOkResponse({
    description: 'The metrics in the text format of Prometheus.',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  async get(): Promise<string> {
    return cluster.isWorker ? askForClusterMetrics() : this.metrics.registry.metrics();
  }
}
