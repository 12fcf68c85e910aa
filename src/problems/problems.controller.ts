import { Controller, Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-scopes.decorator.js';
import { NativeOperation } from '../common/native-operation.decorator.js';
import { PublicUrl } from '../config/public-url.js';
import { CATALOGUE, ERROR_CODES, type ErrorCode } from '../errors/catalogue.js';
import { Refusal } from '../errors/refusal.js';

export class ProblemTypeResponse {
  @ApiProperty({
    description: 'Address of this page; the type of the problem.',
    format: 'uri',
    example: 'http://127.0.0.1:3000/problems/token.not_found',
  })
  type: string;

  @ApiProperty({ description: 'Code of the problem.', example: 'token.not_found' })
  code: string;

  @ApiProperty({ description: 'HTTP status code.', type: 'integer', example: 404 })
  status: number;

  @ApiProperty({ description: 'The problem in a few words.', example: 'There is no such token' })
  title: string;

  @ApiProperty({ description: 'What the caller can do.', example: 'Check the slug against the list of tokens.' })
  forCallers: string;

  @ApiProperty({ description: 'What the operator can look at.', example: 'Nothing is wrong with the service.' })
  forOperators: string;
}

/** The documentation that the `type` of each problem points to. */
@ApiTags('Service')
@Public()
@Controller('problems')
export class ProblemsController {
  constructor(private readonly publicUrl: PublicUrl) {}

  @Get()
  @NativeOperation({ id: 'listProblems', summary: 'List the problems', description: 'The whole catalogue of errors.' })
  @ApiOkResponse({ type: [ProblemTypeResponse], description: 'Every problem that an answer may name.' })
  list(): ProblemTypeResponse[] {
    return ERROR_CODES.map((code) => this.describe(code));
  }

  @Get(':code')
  @NativeOperation({
    id: 'getProblem',
    summary: 'Read about a problem',
    description: 'What a problem means, for the caller and for the operator.',
    refusals: [404],
  })
  @ApiOkResponse({ type: ProblemTypeResponse, description: 'The problem.' })
  get(@Param('code') code: string): ProblemTypeResponse {
    const known = ERROR_CODES.find((candidate) => candidate === code);
    if (known === undefined)
      throw new Refusal('route.not_found', 'There is no such problem in the catalogue; GET /problems lists them.');
    return this.describe(known);
  }

  private describe(code: ErrorCode): ProblemTypeResponse {
    const { status, title, caller, operator } = CATALOGUE[code];
    return {
      type: `${this.publicUrl.href}/problems/${code}`,
      code,
      status,
      title,
      forCallers: caller,
      forOperators: operator,
    };
  }
}
