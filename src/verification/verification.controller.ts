import { Controller, HttpCode, type OnModuleInit, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireScopes } from '../access/require-scopes.decorator.js';
import { parseJsonBody } from '../common/json-body.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { NotRateLimited } from '../rate-limit/not-rate-limited.decorator.js';
import { ProblemFilter } from '../errors/problem.filter.js';
import {
  VerificationBatchResponse,
  VerificationResponse,
  VerifyBatchRequest,
  VerifyRequest,
} from './dto/verification.dto.js';
import { JSON_TYPE } from './plane-request.js';
import { VerificationPlane } from './verification-plane.js';
import { VerificationEndpoint } from './verification.endpoint.js';

/**
 * Documents the verification operations and puts them on the verification plane, which serves them before Nest. What the
 * plane leaves to Nest (a JWT, an alias of the path) comes through the handlers here, to the same endpoint.
 */
@ApiTags('Verification')
@NotRateLimited()
@Controller('tokens')
export class VerificationController implements OnModuleInit {
  constructor(
    private readonly endpoint: VerificationEndpoint,
    private readonly plane: VerificationPlane,
    private readonly problems: ProblemFilter,
  ) {}

  onModuleInit(): void {
    const reader = { contentType: 'application/json', parse: parseJsonBody };
    const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply): void =>
      this.problems.answer(error, request, reply);
    this.plane.post('/tokens/verify', (request) => this.endpoint.verify(request), refuse, reader);
    this.plane.post('/tokens/verify-batch', (request) => this.endpoint.verifyBatch(request), refuse, reader);
  }

  @Post('verify')
  @HttpCode(200)
  @RequireScopes('platform:verify', 'api_tokens:verify')
  @ApiBody({ type: VerifyRequest })
  @NativeOperation({
    id: 'verifyToken',
    summary: 'Verify a token',
    description:
      'Whether a request with this token may go on. Always 200 for an authenticated caller: `valid` and `code` say it. With `api_tokens:verify`, tokens of other organizations are NOT_FOUND.',
    refusals: [400, 413, 415, 422],
  })
  @ApiOkResponse({ type: VerificationResponse, description: 'The verdict.' })
  verify(@Req() request: FastifyRequest, @Res() reply: FastifyReply): unknown {
    return this.send(this.endpoint.verify(request), reply);
  }

  @Post('verify-batch')
  @HttpCode(200)
  @RequireScopes('platform:verify', 'api_tokens:verify')
  @ApiBody({ type: VerifyBatchRequest })
  @NativeOperation({
    id: 'verifyTokens',
    summary: 'Verify many tokens',
    description: 'The same for up to 1000 tokens at once; the answers come in the order of the questions.',
    refusals: [400, 413, 415, 422],
  })
  @ApiOkResponse({ type: VerificationBatchResponse, description: 'The verdicts.' })
  verifyBatch(@Req() request: FastifyRequest, @Res() reply: FastifyReply): unknown {
    return this.send(this.endpoint.verifyBatch(request), reply);
  }

  private send(answer: string | Promise<string>, reply: FastifyReply): FastifyReply | Promise<FastifyReply> {
    if (typeof answer !== 'string') return answer.then((text) => this.send(text, reply));
    return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store').send(answer);
  }
}
