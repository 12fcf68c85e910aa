import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { Public } from '../access/require-scopes.decorator.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { NotRateLimited } from '../rate-limit/not-rate-limited.decorator.js';

export class LivenessResponse {
  @ApiProperty({ description: 'The process answers.', enum: ['ok'], example: 'ok' })
  status: 'ok';
}

export class ReadinessResponse {
  @ApiProperty({ description: 'Whether requests should be sent here.', enum: ['ok', 'unavailable'], example: 'ok' })
  status: 'ok' | 'unavailable';

  @ApiProperty({ description: 'Whether the database answers.', enum: ['ok', 'unavailable'], example: 'ok' })
  database: 'ok' | 'unavailable';
}

/** For orchestrators and load balancers. */
@ApiTags('Service')
@Public()
@NotRateLimited()
@Controller('health')
export class HealthController {
  constructor(private readonly database: DataSource) {}

  @Get('live')
  @NativeOperation({
    id: 'getLiveness',
    summary: 'Liveness',
    description: 'Answers as long as the process does; a restart helps when it does not.',
  })
  @ApiOkResponse({ type: LivenessResponse, description: 'Alive.' })
  live(): LivenessResponse {
    return { status: 'ok' };
  }

  @Get('ready')
  @NativeOperation({
    id: 'getReadiness',
    summary: 'Readiness',
    description: 'Whether the service can do its work: the database answers. A restart does not help when it cannot.',
  })
  @ApiOkResponse({ type: ReadinessResponse, description: 'Ready.' })
  @ApiResponse({ status: 503, type: ReadinessResponse, description: 'Not ready: send requests elsewhere.' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessResponse> {
    try {
      await this.database.query('select 1');
      return { status: 'ok', database: 'ok' };
    } catch {
      void reply.status(503); // the failure itself is logged by the pool and told by every other answer
      return { status: 'unavailable', database: 'unavailable' };
    }
  }
}
