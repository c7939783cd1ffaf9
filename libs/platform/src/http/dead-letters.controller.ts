import { Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { CertmillError, type ChunkRef, type Credential } from '@certmill/domain';
import { dropDeadLetter, retryDeadLetter } from '@certmill/pipeline';
import type { DeadLetter } from '@certmill/ports';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { noSuchBatch } from './batches.controller.js';
import { pageOf, pageRequestOf, type PageView } from './pages.js';
import { parseWith } from './parse-with.js';
import { pageQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** A chunk that could not be processed, as operators see it. */
export interface DeadLetterView {
  readonly chunk: number;
  readonly firstIndex: number;
  readonly requests: number;
  readonly state: 'dead' | 'retried';
  readonly code: string;
  readonly detail: string;
  readonly stage: string;
  readonly at: string;
  readonly retriedAt?: string;
}

export interface SettledView {
  readonly chunk: number;
  readonly outcome: 'retried' | 'dropped' | 'ended';
}

const chunkNumberPattern = /^\d{1,8}$/;

/** Chunks that could not be processed: what became of them is an operator's choice. */
@Controller('v1/batches/:batchId/dead-letters')
export class DeadLettersController {
  readonly #services: IssuanceServices;

  constructor(@Inject(servicesToken) services: IssuanceServices) {
    this.#services = services;
  }

  @Get()
  @Needs('dead-letters:read')
  @Describes(routes.listDeadLetters)
  async list(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Query() query: unknown,
  ): Promise<PageView<DeadLetterView>> {
    const page = pageRequestOf(parseWith(pageQuerySchema, query));
    const { stores } = this.#services.deadLetters;
    await this.#assertBatch(caller, batchId);
    const found = await stores.listDeadLetters(caller.tenant, batchId, page);
    return pageOf(found.items.map(viewOf), found.next);
  }

  @Post(':chunk/retry')
  @HttpCode(200)
  @Needs('dead-letters:write')
  @Describes(routes.retryDeadLetter)
  async retry(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Param('chunk') chunk: string,
  ): Promise<SettledView> {
    const ref = await this.#chunkOf(caller, batchId, chunk);
    const outcome = await retryDeadLetter(this.#services.deadLetters, ref);
    const detail = { batchId, chunk: ref.chunkNumber, outcome };
    await noteAudit(this.#services, caller, 'dead-letter.retried', detail);
    return { chunk: ref.chunkNumber, outcome };
  }

  @Post(':chunk/drop')
  @HttpCode(200)
  @Needs('dead-letters:write')
  @Describes(routes.dropDeadLetter)
  async drop(
    @Caller() caller: Credential,
    @Param('batchId') batchId: string,
    @Param('chunk') chunk: string,
  ): Promise<SettledView> {
    const ref = await this.#chunkOf(caller, batchId, chunk);
    const outcome = await dropDeadLetter(this.#services.deadLetters, ref);
    const detail = { batchId, chunk: ref.chunkNumber, outcome };
    await noteAudit(this.#services, caller, 'dead-letter.dropped', detail);
    return { chunk: ref.chunkNumber, outcome };
  }

  async #chunkOf(caller: Credential, batchId: string, chunk: string): Promise<ChunkRef> {
    if (!chunkNumberPattern.test(chunk)) {
      throw new CertmillError('INVALID_INPUT', 'a chunk is named by its number in the batch');
    }
    await this.#assertBatch(caller, batchId);
    return { tenant: caller.tenant, batchId, chunkNumber: Number(chunk) };
  }

  async #assertBatch({ tenant }: Credential, batchId: string): Promise<void> {
    const batch = await this.#services.batches.getBatch(tenant, batchId);
    if (batch === undefined) throw noSuchBatch(batchId);
  }
}

function viewOf(letter: DeadLetter): DeadLetterView {
  const { chunk, firstIndex, count, code, detail, stage, atMs, retriedAtMs } = letter;
  return {
    chunk: chunk.chunkNumber,
    firstIndex,
    requests: count,
    state: retriedAtMs === undefined ? 'dead' : 'retried',
    code,
    detail,
    stage,
    at: new Date(atMs).toISOString(),
    ...(retriedAtMs === undefined ? {} : { retriedAt: new Date(retriedAtMs).toISOString() }),
  };
}
