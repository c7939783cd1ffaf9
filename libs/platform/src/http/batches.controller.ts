import {
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { batchIdOf, CertmillError, type Batch, type Credential } from '@certmill/domain';
import { openBatch, uploadBatch, type Upload } from '@certmill/pipeline';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { tracesToken, type Traces } from '../observability/traces.js';
import { UploadBroken } from '../problem/upload-broken.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { batchView, type BatchView } from './batch-view.js';
import { downloadOf, type DownloadOptions } from './downloads.js';
import { orderOf } from './orders.controller.js';
import { pageOf, pageRequestOf, type PageView } from './pages.js';
import { parseWith } from './parse-with.js';
import {
  batchListQuerySchema,
  certificatesQuerySchema,
  followQuerySchema,
  resultsQuerySchema,
  uploadQuerySchema,
} from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { progressEvents } from './progress-events.js';
import { sendStream } from './send-stream.js';
import { Stopping } from './stopping.js';
import { uploadedItems } from './uploaded-items.js';
import { untilClosed } from './until-closed.js';
import { DownloadSlots, UploadSlots } from './call-slots.js';

/** Batches: upload, progress, results, cancel. */
@Controller('v1')
export class BatchesController {
  readonly #services: IssuanceServices;
  readonly #slots: UploadSlots;
  readonly #downloads: DownloadSlots;
  readonly #stopping: Stopping;
  readonly #traces: Traces;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(UploadSlots) slots: UploadSlots,
    @Inject(DownloadSlots) downloads: DownloadSlots,
    @Inject(Stopping) stopping: Stopping,
    @Inject(tracesToken) traces: Traces,
  ) {
    this.#services = services;
    this.#traces = traces;
    this.#slots = slots;
    this.#downloads = downloads;
    this.#stopping = stopping;
  }

  @Post('orders/:orderId/batches')
  @HttpCode(202)
  @Needs('batches:write')
  @Describes(routes.uploadBatch)
  async upload(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Query() query: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchView> {
    if (idempotencyKey === undefined) {
      throw new CertmillError('INVALID_INPUT', 'an upload needs an Idempotency-Key header');
    }
    const { firstIndex } = parseWith(uploadQuerySchema, query);
    const { ingest, profiles } = this.#services;
    const order = await orderOf(this.#services, caller, orderId);
    const profile = await profiles.get(order.tenant, order.profileHash);
    if (profile === undefined) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'the profile of the order is not stored');
    }
    const upload: Upload = {
      order,
      profile,
      lane: 'bulk',
      idempotencyKey,
      firstIndex,
    };
    using slot = this.#slots.take(caller.tenant);
    const items = uploadedItems(request, slot);
    const { batchId } = await openBatch(ingest, upload);
    const span = this.#traces.ingest('upload', {
      traceparent,
      tenant: order.tenant,
      lane: upload.lane,
    });
    let batch: Batch;
    try {
      const signal = AbortSignal.any([this.#stopping.signal, clientGone(reply)]);
      const traced = { ...upload, traceparent: span.traceparent, signal };
      batch = await uploadBatch(ingest, traced, items);
    } catch (cause) {
      span.end({ batch: batchId, error: cause });
      const nextIndex = (await this.#batchOf(caller, batchId)).nextIndex;
      throw new UploadBroken(cause, { batchId, nextIndex });
    }
    span.end({ batch: batchId, requests: batch.nextIndex - firstIndex });
    void reply.header('location', `/v1/batches/${batchId}`);
    return batchView(batch, this.#services.clock.nowMs());
  }

  @Get('orders/:orderId/batches')
  @Needs('batches:read')
  @Describes(routes.listBatches)
  async list(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Query() query: unknown,
  ): Promise<PageView<BatchView>> {
    const { idempotencyKey, ...page } = parseWith(batchListQuerySchema, query);
    const { batches, clock } = this.#services;
    const order = await orderOf(this.#services, caller, orderId);
    if (idempotencyKey !== undefined) {
      const epoch = await batches.storeEpoch();
      const batchId = batchIdOf(epoch, order.tenant, order.orderId, idempotencyKey);
      const batch = await batches.getBatch(order.tenant, batchId);
      return pageOf(batch === undefined ? [] : [batchView(batch, clock.nowMs())]);
    }
    const found = await batches.listBatches(order.tenant, order.orderId, pageRequestOf(page));
    return pageOf(
      found.items.map((batch) => batchView(batch, clock.nowMs())),
      found.next,
    );
  }

  @Get('batches/:batchId')
  @Needs('batches:read')
  @Describes(routes.showBatch)
  async show(@Caller() caller: Credential, @Param('batchId') batchId: string): Promise<BatchView> {
    return batchView(await this.#batchOf(caller, batchId), this.#services.clock.nowMs());
  }

  @Delete('batches/:batchId')
  @HttpCode(202)
  @Needs('batches:write')
  @Describes(routes.cancelBatch)
  async cancel(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
  ): Promise<BatchView> {
    const { batches, clock } = this.#services;
    const batch = await batches.cancelBatch(caller.tenant, batchId, clock.nowMs());
    if (batch === undefined) throw noSuchBatch(batchId);
    await noteAudit(this.#services, caller, 'batch.cancelled', { batchId });
    return batchView(batch, clock.nowMs());
  }

  @Get('batches/:batchId/events')
  @Needs('batches:read')
  @Describes(routes.batchEvents)
  async events(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const signals = { gone: this.#takeDownload(caller, reply), stopping: this.#stopping.signal };
    await this.#batchOf(caller, batchId);
    sendStream(
      reply,
      'text/event-stream',
      progressEvents(this.#services, caller.tenant, batchId, signals),
    );
  }

  @Get('batches/:batchId/certificates')
  @Needs('certificates:read')
  @Describes(routes.batchCertificates)
  async certificates(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Query() query: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { format, ...reading } = parseWith(certificatesQuerySchema, query);
    const { accept } = request.headers;
    await this.#download(caller, batchId, reply, {
      kind: 'certificates',
      ...reading,
      ...(format === undefined ? {} : { format }),
      ...(accept === undefined ? {} : { accept }),
    });
  }

  @Get('batches/:batchId/rejections')
  @Needs('certificates:read')
  @Describes(routes.batchRejections)
  async rejections(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Query() query: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const reading = parseWith(resultsQuerySchema, query);
    await this.#download(caller, batchId, reply, { kind: 'rejections', ...reading });
  }

  @Get('batches/:batchId/manifest')
  @Needs('certificates:read')
  @Describes(routes.batchManifest)
  async manifest(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Query() query: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { follow } = parseWith(followQuerySchema, query);
    await this.#download(caller, batchId, reply, { kind: 'manifest', follow, firstChunk: 0 });
  }

  async #download(
    caller: Credential,
    batchId: string,
    reply: FastifyReply,
    wanted: Omit<DownloadOptions, 'signal'>,
  ): Promise<void> {
    const gone = this.#takeDownload(caller, reply);
    const batch = await this.#batchOf(caller, batchId);
    const signal = AbortSignal.any([gone, this.#stopping.signal]);
    const download = await downloadOf(this.#services, batch, { ...wanted, signal });
    void reply.header('certmill-batch-state', batchView(batch, this.#services.clock.nowMs()).state);
    sendStream(reply, download.mediaType, download.body);
  }

  /** Takes a place until the answer ended or the client hung up; aborts then. */
  #takeDownload({ tenant }: Credential, reply: FastifyReply): AbortSignal {
    return untilClosed(reply, this.#downloads.take(tenant));
  }

  async #batchOf(caller: Credential, batchId: string): Promise<Batch> {
    const batch = await this.#services.batches.getBatch(caller.tenant, batchId);
    if (batch === undefined) throw noSuchBatch(batchId);
    return batch;
  }
}

export function noSuchBatch(batchId: string): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no batch '${batchId.slice(0, 80)}'`);
}

/** Aborts when the client hung up: an upload that waits for its turn reads nothing, so it would not see it. */
function clientGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const abort = (): void =>
    gone.abort(new CertmillError('INVALID_INPUT', 'the client hung up before the upload ended'));
  if (raw.closed) abort();
  else raw.once('close', abort);
  return gone.signal;
}
