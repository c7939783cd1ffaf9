import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory, Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { ApiKeys } from '../auth/api-keys.js';
import { AuthGuard } from '../auth/auth.guard.js';
import { loggerToken } from '../observability/logger.js';
import { Metrics } from '../observability/metrics.js';
import { ProblemFilter, sendProblem } from '../problem/problem.filter.js';
import { BatchesController } from './batches.controller.js';
import { CertificatesController } from './certificates.controller.js';
import { assertListenable, HttpConfigHolder, tlsOptionsOf, type HttpConfig } from './http-config.js';
import { OperationsController } from './operations.controller.js';
import { OrdersController } from './orders.controller.js';
import { ProfilesController } from './profiles.controller.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { streamedMediaTypes } from './streamed-body.js';
import { TenantsController } from './tenants.controller.js';
import { UploadSlots } from './upload-slots.js';

@Module({})
class HttpModule {
  static of(parts: HttpParts): DynamicModule {
    return {
      module: HttpModule,
      controllers: [
        OrdersController,
        BatchesController,
        CertificatesController,
        ProfilesController,
        TenantsController,
        OperationsController,
      ],
      providers: [
        Reflector,
        { provide: servicesToken, useValue: parts.services },
        { provide: loggerToken, useValue: parts.logger },
        { provide: Metrics, useValue: parts.metrics },
        { provide: HttpConfigHolder, useValue: new HttpConfigHolder(parts.config) },
        { provide: UploadSlots, useValue: new UploadSlots(parts.config.limits) },
        { provide: ApiKeys, useValue: new ApiKeys(parts.services.tenants, parts.services.clock) },
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}

export interface HttpParts {
  readonly services: IssuanceServices;
  readonly config: HttpConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface HttpApplication {
  /** E.g. `http://127.0.0.1:8460`. */
  readonly url: string;
  readonly nest: NestFastifyApplication;
  /** Takes no new calls, lets those under way end for at most `timeoutMs`, then cuts them. */
  stop(timeoutMs: number): Promise<void>;
}

/** Starts the HTTP face; resolves once it listens. CONFIG_INVALID where it may not. */
export async function startHttp(parts: HttpParts): Promise<HttpApplication> {
  const { config, logger, metrics } = parts;
  assertListenable(config);
  const https = tlsOptionsOf(config);
  const adapter = new FastifyAdapter({
    ...(https === undefined ? {} : { https }),
    genReqId: () => randomUUID(),
    bodyLimit: config.limits.maxSmallBodyBytes,
    http: { headersTimeout: config.limits.headersTimeoutMs },
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    trustProxy: false,
  });
  const nest = await NestFactory.create<NestFastifyApplication>(HttpModule.of(parts), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  const fastify = adapter.getInstance();
  for (const mediaType of streamedMediaTypes) {
    fastify.addContentTypeParser(mediaType, (_request: unknown, body: unknown, done: Done) => done(null, body));
  }
  const asText = { parseAs: 'string' as const };
  const asBytes = { parseAs: 'buffer' as const };
  fastify.addContentTypeParser('application/yaml', asText, (_r: unknown, body: unknown, done: Done) => done(null, body));
  fastify.addContentTypeParser('application/pkcs10', asBytes, (_r: unknown, body: unknown, done: Done) => done(null, body));
  fastify.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, logger));
  fastify.addHook('onResponse', (request, reply, done) => {
    metrics.http(request.method, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  await nest.listen(config.port, config.host);
  const { port } = nest.getHttpServer().address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `${https === undefined ? 'http' : 'https'}://${host}:${String(port)}`,
    nest,
    async stop(timeoutMs) {
      const timer = setTimeout(() => nest.getHttpServer().closeAllConnections(), timeoutMs);
      await nest.close();
      clearTimeout(timer);
    },
  };
}

type Done = (error: Error | null, body?: unknown) => void;
