import { Module } from '@nestjs/common';
import { ForwardAuthController } from './forward-auth.controller.js';

/** Decisions for proxies. */
@Module({ controllers: [ForwardAuthController] })
export class ForwardAuthModule {}
