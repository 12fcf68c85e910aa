import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Config } from './config.js';
import { PublicUrl } from './public-url.js';

/** Makes the configuration available everywhere under its class. */
@Global()
@Module({})
export class ConfigModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: Config, useValue: config }, PublicUrl],
      exports: [Config, PublicUrl],
    };
  }
}
