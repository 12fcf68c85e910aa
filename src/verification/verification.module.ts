import { type DynamicModule, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LookUps } from '../database/look-ups.js';
import type { OwningDataSource } from '../database/open-database.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { CurrentTokenController } from './current-token.controller.js';
import { UsageRecorder } from './usage-recorder.js';
import { VerificationCounters } from './verification-counters.js';
import { VerificationPlane } from './verification-plane.js';
import { VerificationController } from './verification.controller.js';
import { VerificationEndpoint } from './verification.endpoint.js';
import { Verifier } from './verifier.service.js';

/** Readies the plane, when the doors have put their routes on it. */
@Injectable()
class PlaneLifecycle implements OnApplicationBootstrap {
  constructor(private readonly plane: VerificationPlane) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.plane.ready();
  }
}

/** Whether a token is good, and the plane on which microservices ask. */
@Module({})
export class VerificationModule {
  static forRoot(plane: VerificationPlane): DynamicModule {
    return {
      module: VerificationModule,
      global: true, // doors ask the verifier and put their routes on the plane
      imports: [TokensModule],
      controllers: [VerificationController, CurrentTokenController],
      providers: [
        { provide: VerificationPlane, useValue: plane },
        PlaneLifecycle,
        { provide: LookUps, inject: [DataSource], useFactory: ({ lookUps }: OwningDataSource) => lookUps },
        Verifier,
        VerificationEndpoint,
        VerificationCounters,
        UsageRecorder,
      ],
      exports: [Verifier, VerificationPlane, VerificationCounters, UsageRecorder],
    };
  }
}
