import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ApiKeys } from '../auth/api-keys.js';
import { loggerToken } from '../observability/logger.js';
import { Metrics } from '../observability/metrics.js';
import { noTraces, tracesToken } from '../observability/traces.js';
import { readinessToken } from '../observability/readiness.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { BatchesController } from './batches.controller.js';
import { CalendarController } from './calendar.controller.js';
import {
  DownloadSlots,
  EnrolmentSlots,
  ProfileSlots,
  RepositorySlots,
  UploadSlots,
  WalkSlots,
} from './call-slots.js';
import { CertificatesController } from './certificates.controller.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { HttpConfigHolder } from './http-config.js';
import type { HttpParts } from './http-parts.js';
import { IssuersController } from './issuers.controller.js';
import { MassOperationsController } from './mass-operations.controller.js';
import { OperationsController } from './operations.controller.js';
import { OrdersController } from './orders.controller.js';
import { ProfilesController } from './profiles.controller.js';
import { RepositoryController } from './repository.controller.js';
import { Repository } from './repository.js';
import { RevocationsController } from './revocations.controller.js';
import { servicesToken } from './services.js';
import { Stopping } from './stopping.js';
import { TenantsController } from './tenants.controller.js';

const injectedTokens = [
  servicesToken,
  readinessToken,
  loggerToken,
  tracesToken,
  Metrics,
  HttpConfigHolder,
  ApiKeys,
  UploadSlots,
  EnrolmentSlots,
  DownloadSlots,
  RepositorySlots,
  WalkSlots,
  ProfileSlots,
  Repository,
  Stopping,
];

/** What the routes of one server share. */
export interface HttpState {
  readonly keys: ApiKeys;
  readonly uploads: UploadSlots;
  readonly enrolments: EnrolmentSlots;
  readonly downloads: DownloadSlots;
  readonly stopping: Stopping;
}

/** All routes with what they inject; every part comes from outside. */
@Module({
  controllers: [
    OrdersController,
    CalendarController,
    BatchesController,
    DeadLettersController,
    CertificatesController,
    RevocationsController,
    MassOperationsController,
    IssuersController,
    ProfilesController,
    TenantsController,
    RepositoryController,
    OperationsController,
  ],
})
export class HttpModule {
  static of(parts: HttpParts, state: HttpState): DynamicModule {
    const { services } = parts;
    return {
      module: HttpModule,
      providers: [
        { provide: servicesToken, useValue: services },
        { provide: readinessToken, useValue: services.readiness },
        { provide: loggerToken, useValue: parts.logger },
        { provide: tracesToken, useValue: parts.traces ?? noTraces },
        { provide: Metrics, useValue: parts.metrics },
        { provide: HttpConfigHolder, useValue: new HttpConfigHolder(parts.config) },
        { provide: ApiKeys, useValue: state.keys },
        { provide: UploadSlots, useValue: state.uploads },
        { provide: EnrolmentSlots, useValue: state.enrolments },
        { provide: DownloadSlots, useValue: state.downloads },
        { provide: RepositorySlots, useValue: new RepositorySlots(parts.config.limits) },
        { provide: WalkSlots, useValue: new WalkSlots(parts.config.limits) },
        { provide: ProfileSlots, useValue: new ProfileSlots() },
        { provide: Repository, useValue: services.repository },
        { provide: Stopping, useValue: state.stopping },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }

  /** The routes with nothing behind them: enough for Nest's preview, which instantiates nothing. */
  static forPreview(): DynamicModule {
    return {
      module: HttpModule,
      providers: injectedTokens.map((provide) => ({ provide, useValue: null })),
    };
  }
}
