import { Module } from '@nestjs/common';
import { MembersController } from './members.controller.js';
import { MembersService } from './members.service.js';
import { OrganizationController } from './organization.controller.js';
import { OrganizationsService } from './organizations.service.js';
import { PlatformOrganizationsController } from './platform-organizations.controller.js';
import { Provisioning } from './provisioning.service.js';
import { RolesController, ScopesController } from './roles.controller.js';
import { RolesService } from './roles.service.js';

/** Tenants, their people and their roles. */
@Module({
  controllers: [
    OrganizationController,
    MembersController,
    RolesController,
    ScopesController,
    PlatformOrganizationsController,
  ],
  providers: [OrganizationsService, MembersService, RolesService, Provisioning],
  exports: [OrganizationsService, MembersService, RolesService, Provisioning],
})
export class OrganizationsModule {}
