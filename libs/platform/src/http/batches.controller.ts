import { Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CertmillError, isComplete, type Batch, type Credential } from '@certmill/domain';
import { batchIdOf } from '@certmill/domain';
import { openBatch, uploadBatch, type Upload } from '@certmill/pipeline';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/auth.guard.js';
import { UploadBroken } from '../problem/upload-broken.js';
import { batchView, type BatchView } from './batch-view.js';
import { downloadOf } from './downloads.js';
import { orderOf } from './orders.controller.js';
import { pageRequestOf, type PageQuery } from './parse-with.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { progressEvents } from './progress-events.js';
import { sendStream } from './send-stream.js';
import { uploadedItems } from './uploaded-items.js';
import { UploadSlots } from './upload-slots.js';

/** Batches: upload, progress, results, cancel. */
@Controller('v1')
export class BatchesController {
  readonly #services: IssuanceServices;
  readonly #slots: UploadSlots;

  constructor(@Inject(servicesToken) services: IssuanceServices, @Inject(UploadSlots) slots: UploadSlots) {
    this.#services = services;
    this.#slots = slots;
  }

  @Post('orders/:orderId/batches')
  @HttpCode(202)
  @Needs('batches:write')
  async upload(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Query('firstIndex') firstIndex: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchView> {
    if (idempotencyKey === undefined) {
      throw new CertmillError('INVALID_INPUT', 'an upload needs an Idempotency-Key header');
    }
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
      firstIndex: indexOf('firstIndex', firstIndex ?? '0'),
    };
    using _slot = this.#slots.take(caller.tenant);
    const { batchId } = await openBatch(ingest, upload);
    let batch: Batch;
    try {
      batch = await uploadBatch(ingest, upload, uploadedItems(request, this.#slots.limits));
    } catch (cause) {
      const nextIndex = (await this.#batchOf(caller, batchId)).nextIndex;
      throw new UploadBroken(cause, { batchId, nextIndex });
    }
    void reply.header('location', `/v1/batches/${batchId}`);
    return batchView(batch, this.#services.clock.nowMs());
  }

  @Get('orders/:orderId/batches')
  @Needs('batches:read')
  async list(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Query() query: PageQuery & { readonly idempotencyKey?: string },
  ): Promise<{ items: readonly BatchView[]; next?: string }> {
    const { batches, clock } = this.#services;
    const order = await orderOf(this.#services, caller, orderId);
    if (query.idempotencyKey !== undefined) {
      const epoch = await batches.storeEpoch();
      const batchId = batchIdOf(epoch, order.tenant, order.orderId, query.idempotencyKey);
      const batch = await batches.getBatch(order.tenant, batchId);
      return { items: batch === undefined ? [] : [batchView(batch, clock.nowMs())] };
    }
    const page = await batches.listBatches(order.tenant, order.orderId, pageRequestOf(query));
    return {
      items: page.items.map((batch) => batchView(batch, clock.nowMs())),
      ...(page.next === undefined ? {} : { next: page.next }),
    };
  }

  @Get('batches/:batchId')
  @Needs('batches:read')
  async show(@Caller() caller: Credential, @Param('batchId') batchId: string): Promise<BatchView> {
    return batchView(await this.#batchOf(caller, batchId), this.#services.clock.nowMs());
  }

  @Delete('batches/:batchId')
  @HttpCode(202)
  @Needs('batches:write')
  async cancel(@Caller() caller: Credential, @Param('batchId') batchId: string): Promise<BatchView> {
    const { batches, clock } = this.#services;
    const batch = await batches.cancelBatch(caller.tenant, batchId, clock.nowMs());
    if (batch === undefined) throw noSuchBatch(batchId);
    return batchView(batch, clock.nowMs());
  }

  @Get('batches/:batchId/events')
  @Needs('batches:read')
  async events(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#batchOf(caller, batchId);
    const gone = goneSignal(request);
    void reply.header('cache-control', 'no-store');
    await sendStream(
      reply,
      'text/event-stream',
      progressEvents(this.#services, caller.tenant, batchId, gone),
    );
  }

  @Get('batches/:batchId/:kind(certificates|rejections|manifest)')
  @Needs('batches:read')
  async download(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Param('kind') kind: string,
    @Query() query: DownloadQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const batch = await this.#batchOf(caller, batchId);
    const follow = query.follow === 'true';
    if (!follow && kind === 'manifest' && !isComplete(batch)) {
      throw new CertmillError('CONFLICT', 'the manifest is there once the batch is complete');
    }
    const download = await downloadOf(this.#services, batch, {
      kind,
      follow,
      firstChunk: indexOf('firstChunk', query.firstChunk ?? '0'),
      signal: goneSignal(request),
      ...(query.format === undefined ? {} : { format: query.format }),
      ...(request.headers.accept === undefined ? {} : { accept: request.headers.accept }),
    });
    await sendStream(reply, download.mediaType, download.body);
  }

  async #batchOf(caller: Credential, batchId: string): Promise<Batch> {
    const batch = await this.#services.batches.getBatch(caller.tenant, batchId);
    if (batch === undefined) throw noSuchBatch(batchId);
    return batch;
  }
}

interface DownloadQuery {
  readonly format?: string;
  readonly follow?: string;
  readonly firstChunk?: string;
}

function noSuchBatch(batchId: string): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no batch '${batchId.slice(0, 80)}'`);
}

function indexOf(name: string, text: string): number {
  const index = Number(text);
  if (!/^\d{1,8}$/.test(text)) {
    throw new CertmillError('INVALID_INPUT', `${name} must be a whole number`);
  }
  return index;
}

/** Aborts when the client hangs up. */
function goneSignal(request: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  request.raw.socket.once('close', () => gone.abort());
  return gone.signal;
}
