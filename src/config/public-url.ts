import type { AddressInfo, Server } from 'node:net';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Config } from './config.js';

/** The URL under which clients reach the service, without a slash at the end. */
@Injectable()
export class PublicUrl {
  constructor(
    private readonly config: Config,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** PUBLIC_URL, or the address that the server listens on. Never taken from the request: a Host header is the caller's to choose. */
  get href(): string {
    const { publicUrl, settings } = this.config;
    if (settings.PUBLIC_URL !== '') return publicUrl;
    const address = (this.adapterHost.httpAdapter.getHttpServer() as Server).address() as AddressInfo | null;
    return publicUrl.replace(/\d+$/, String(address?.port ?? settings.PORT));
  }
}
