import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Caller } from '../../access/principal.js';
import { CurrentCaller, EnforceScopes } from '../../access/require-scopes.decorator.js';
import { readOrganization } from './arguments.js';
import { KatapultOrganizationAnswer, KatapultOrganizationList } from './dto/katapult-organization.js';
import { KatapultLookups } from './katapult-lookups.service.js';
import { ApiOrganizationArgument, KatapultDoor, KatapultOperation } from './katapult-operation.decorator.js';
import type { Arguments } from './query.js';
import { SentArguments } from './sent-arguments.decorator.js';
import { toOrganization } from './translate.js';

/** The organization of the caller, as clients of Katapult look it up. */
@ApiTags('Katapult organizations')
@KatapultDoor()
@Controller('core/v1/organizations')
export class KatapultOrganizationsController {
  constructor(private readonly lookups: KatapultLookups) {}

  @Get()
  @EnforceScopes('organizations:read')
  @KatapultOperation({
    id: 'katapultListOrganizations',
    summary: 'List organizations',
    description: 'The organizations that the caller may see, which is the one of its credential.',
    refusals: [],
  })
  @ApiOkResponse({ type: KatapultOrganizationList, description: 'A list of one.' })
  async list(@CurrentCaller() caller: Caller): Promise<KatapultOrganizationList> {
    return { organizations: [toOrganization(await this.lookups.getOrganization(caller, undefined))] };
  }

  @Get(':organization')
  @EnforceScopes('organizations:read')
  @KatapultOperation({
    id: 'katapultGetOrganization',
    summary: 'Show an organization',
    description: 'The organization of the caller; any other one is not found.',
    refusals: ['organization_not_found'],
  })
  @ApiOrganizationArgument()
  @ApiOkResponse({ type: KatapultOrganizationAnswer, description: 'The organization.' })
  async get(@CurrentCaller() caller: Caller, @SentArguments() sent: Arguments): Promise<KatapultOrganizationAnswer> {
    return { organization: toOrganization(await this.lookups.getOrganization(caller, readOrganization(sent))) };
  }
}
