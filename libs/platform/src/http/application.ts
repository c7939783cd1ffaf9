import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { stoppingFault } from '@certmill/domain';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiKeys } from '../auth/api-keys.js';
import { authorize } from '../auth/callers.js';
import { callLineOf } from '../observability/call-line.js';
import { noSuchRoute } from '../problem/no-such-route.js';
import { RefusedCall } from '../problem/refused-call.js';
import { sendProblem } from '../problem/send-problem.js';
import { answerClientError } from './answer-client-error.js';
import { DownloadSlots, EnrolmentSlots, UploadSlots } from './call-slots.js';
import { Connections } from './connections.js';
import { assertListenable, tlsOptionsOf } from './http-config.js';
import type { HttpParts } from './http-parts.js';
import { HttpModule } from './http.module.js';
import { RouteTable } from './route-table.js';
import { Stopping } from './stopping.js';
import { addStatusRoutes } from './status-routes.js';
import { isStreamed, streamedMediaTypes } from './streamed-body.js';

export interface HttpApplication {
  /** E.g. `http://127.0.0.1:8460`. */
  readonly url: string;
  readonly nest: NestFastifyApplication;
  /**
   * Takes no new calls (503). Uploads end with a 503 that says their nextIndex, followers with a last
   * event or a cut connection; other calls have `timeoutMs` to end, then they are cut. Idempotent.
   */
  stop(timeoutMs: number): Promise<void>;
}

/** Starts the HTTP face; resolves once it listens. CONFIG_INVALID where it may not. */
export async function startHttp(parts: HttpParts): Promise<HttpApplication> {
  const { config } = parts;
  assertListenable(config);
  const stopping = new Stopping();
  const nest = await createNest(parts, stopping);
  const connections = new Connections(
    nest.getHttpServer(),
    config.limits.maxConnections,
    parts.metrics,
  );
  await nest.listen(config.port, config.host);
  const server = nest.getHttpServer();
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  let stopped: Promise<void> | undefined;
  const stop = async (timeoutMs: number): Promise<void> => {
    stopping.begin();
    const timer = setTimeout(() => connections.cut(), timeoutMs);
    await nest.close();
    clearTimeout(timer);
  };
  return {
    url: `${config.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    nest,
    stop: (timeoutMs) => (stopped ??= stop(timeoutMs)),
  };
}

/** The application before it listens: all routes, hooks and parsers. */
export async function createNest(
  parts: HttpParts,
  stopping: Stopping,
): Promise<NestFastifyApplication> {
  const { config, logger } = parts;
  const https = tlsOptionsOf(config);
  const adapter = new FastifyAdapter({
    ...(https === undefined ? {} : { https }),
    genReqId: () => randomUUID(),
    bodyLimit: config.limits.maxSmallBodyBytes,
    http: { headersTimeout: config.limits.headersTimeoutMs },
    // An upload may take hours; watchedBody and the small body's time-out judge bodies.
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    trustProxy: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(request, reply, error, logger),
  });
  const keys = new ApiKeys(parts.services.tenants, parts.services.clock);
  const uploads = new UploadSlots(config.limits, stopping.signal);
  const enrolments = new EnrolmentSlots(config.limits);
  const downloads = new DownloadSlots(config.limits);
  const fastify = adapter.getInstance<FastifyInstance>();
  const routes = new RouteTable();
  fastify.addHook('onRoute', ({ method, url }) => routes.add([method].flat(), url));
  addHooks(fastify, parts, keys, stopping, routes);
  addParsers(fastify);
  const { metrics } = parts;
  metrics.gauge('certmill_http_uploads_active', 'Uploads under way.', () => uploads.underWay);
  metrics.gauge(
    'certmill_http_enrolments_active',
    'Single enrolments under way.',
    () => enrolments.underWay,
  );
  metrics.gauge(
    'certmill_http_downloads_active',
    'Downloads and followers of events under way.',
    () => downloads.underWay,
  );

  const module = HttpModule.of(parts, { keys, uploads, enrolments, downloads, stopping });
  // Nest types its options as a class, and its documentation passes literals.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  const nest = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  let document: Promise<unknown> | undefined;
  fastify.get('/openapi.json', () => {
    document ??= import('../openapi/document-of.js').then(({ documentOf }) => documentOf(nest));
    return document;
  });
  addStatusRoutes(fastify, parts.services);
  await nest.init();
  return nest;
}

/** Everything that can be said no to before an octet of the body is read. */
function addHooks(
  fastify: FastifyInstance,
  parts: HttpParts,
  keys: ApiKeys,
  stopping: Stopping,
  routes: RouteTable,
): void {
  const { config, logger, metrics } = parts;
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    try {
      if (stopping.signal.aborted) throw stoppingFault();
      if (request.is404) throw noSuchRoute(request, reply, routes);
      await authorize(request, keys);
    } catch (error) {
      sendProblem(request, reply, error, logger);
      return reply;
    }
    if (!isStreamed(request) && !request.raw.complete) {
      const timer = setTimeout(() => {
        const refused = new RefusedCall(408, 'the body did not come in time');
        if (!request.raw.complete) sendProblem(request, reply, refused, logger);
      }, config.limits.smallBodyTimeoutMs);
      reply.raw.once('close', () => clearTimeout(timer));
    }
    return undefined;
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    // A connection that is kept would be waited for.
    if (stopping.signal.aborted) void reply.header('connection', 'close');
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const line = callLineOf(request, reply);
    metrics.http(line.method, line.status, line.seconds);
    logger.info(line, 'call');
    done();
  });
}

function addParsers(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser('text/plain');
  const take = (_request: unknown, body: unknown, done: Done): void => done(null, body);
  for (const mediaType of streamedMediaTypes) fastify.addContentTypeParser(mediaType, take);
  fastify.addContentTypeParser('application/yaml', { parseAs: 'string' }, take);
  fastify.addContentTypeParser('application/pkcs10', { parseAs: 'buffer' }, take);
}

type Done = (error: Error | null, body?: unknown) => void;
