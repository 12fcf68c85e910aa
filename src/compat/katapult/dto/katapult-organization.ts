import { ApiProperty } from '@nestjs/swagger';

export class KatapultOrganization {
  @ApiProperty({ description: 'Id.', example: 'org_0192f0c1-5f7e-7cc3-8f0a-0a1f2f3c4d5e' })
  id: string;

  @ApiProperty({ description: 'Name for people.', example: 'Acme' })
  name: string;

  @ApiProperty({ description: 'Short name, by which it can be looked up.', example: 'acme' })
  sub_domain: string;

  @ApiProperty({ description: 'When it was created, in seconds since 1970.', type: 'integer', example: 1861920000 })
  created_at: number;

  @ApiProperty({ description: 'Whether it is suspended.', example: false })
  suspended: boolean;
}

export class KatapultOrganizationAnswer {
  @ApiProperty({ description: 'The organization.', type: () => KatapultOrganization })
  organization: KatapultOrganization;
}

export class KatapultOrganizationList {
  @ApiProperty({ description: 'The organization of the caller.', type: () => [KatapultOrganization] })
  organizations: KatapultOrganization[];
}
