import { Module } from '@nestjs/common';
import { OAuthController } from './oauth.controller.js';
import { OAuthErrorFilter } from './oauth-error.filter.js';

/** Token introspection for those who speak OAuth 2.0. */
@Module({ controllers: [OAuthController], providers: [OAuthErrorFilter] })
export class OAuthModule {}
