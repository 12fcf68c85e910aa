import { Global, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Config } from '../config/config.js';
import { ChangeFeed } from '../database/change-feed.js';
import type { OwningDataSource } from '../database/open-database.js';
import { AuditEventsController } from './audit-events.controller.js';
import { AuditEventsReader } from './audit-events.reader.js';
import { AuditService } from './audit.service.js';

/** Listens for changes as long as the application runs. Whoever wants to hear of them has said so when it was constructed. */
@Injectable()
class ChangeFeedLifecycle implements OnModuleInit {
  constructor(
    private readonly feed: ChangeFeed,
    database: DataSource,
  ) {
    const owner = database as OwningDataSource;
    owner.beforeClosing(() => this.feed.stop());
    this.feed.onLoss(() => owner.dropIdleConnections());
  }

  async onModuleInit(): Promise<void> {
    await this.feed.start();
  }
}

/** The audit trail, and the news of it. Global: every module that changes something writes to it. */
@Global()
@Module({
  controllers: [AuditEventsController],
  providers: [
    AuditService,
    AuditEventsReader,
    ChangeFeedLifecycle,
    {
      provide: ChangeFeed,
      inject: [DataSource, Config],
      useFactory: ({ address }: OwningDataSource, { settings }: Config) =>
        new ChangeFeed({
          address,
          stalenessMaxMs: settings.REVOCATION_MAX_STALENESS_SECONDS * 1_000,
          connectTimeoutMs: settings.DATABASE_CONNECT_TIMEOUT_MS,
        }),
    },
  ],
  exports: [AuditService, AuditEventsReader, ChangeFeed],
})
export class AuditModule {}
