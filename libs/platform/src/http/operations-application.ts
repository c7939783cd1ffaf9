import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { loggerToken } from '../observability/logger.js';
import { Metrics } from '../observability/metrics.js';
import { readinessToken, type Readiness } from '../observability/readiness.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { answerClientError } from './answer-client-error.js';
import { OperationsController } from './operations.controller.js';

export interface OperationsParts {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

export interface OperationsApplication {
  readonly url: string;
  stop(): Promise<void>;
}

@Module({ controllers: [OperationsController] })
class OperationsModule {
  static of({ logger, metrics, readiness }: OperationsParts): DynamicModule {
    return {
      module: OperationsModule,
      providers: [
        { provide: readinessToken, useValue: readiness },
        { provide: loggerToken, useValue: logger },
        { provide: Metrics, useValue: metrics },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}

/**
 * What orchestrators and scrapers ask a service of the fleet, on a port of its own: there from the
 * first moment, also while the service waits for what it needs. Nothing of a tenant is in it, so it may
 * listen everywhere without TLS.
 */
export async function startOperationsHttp(parts: OperationsParts): Promise<OperationsApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: 1024,
    requestTimeout: 10_000,
    forceCloseConnections: true,
    clientErrorHandler: answerClientError,
  });
  const module = OperationsModule.of(parts);
  // Nest types its options as a class, and its documentation passes literals.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  const nest = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: false,
    abortOnError: false,
  });
  await nest.listen(parts.port, parts.host);
  const { port } = nest.getHttpServer().address() as AddressInfo;
  const host = parts.host.includes(':') ? `[${parts.host}]` : parts.host;
  return { url: `http://${host}:${String(port)}`, stop: () => nest.close() };
}
