import {
  CertmillError,
  inFlightOf,
  type BatchId,
  type CertificateStatus,
  type ChunkRef,
  type TenantId,
} from '@certmill/domain';
import type {
  CertificateStore,
  ChunkState,
  Clock,
  DeadLetter,
  DeadLetterCause,
  Page,
  PageRequest,
  AllowListQuery,
  RequestPlace,
  StoredRequest,
  TerminalChunk,
} from '@certmill/ports';
import type { Batches } from '../batches/batches.js';
import {
  bucketOfChunk,
  chunksOf,
  chunksPerBucket,
  deadLetterOf,
  type BucketSummary,
} from '../batches/bucket-document.js';
import type { Buckets } from '../batches/buckets.js';
import { confirming, ending, marking, retrying } from '../batches/chunk-changes.js';
import type { IssuanceTime } from '../issuance-time.js';
import type { ClaimJournal, RequestPlace as JournalPlace } from '../journal/claim-journal.js';
import { cursorPlace, pageLimit, pageOf } from '../page-cursor.js';
import type { Segments, TerminalDocument } from './segments.js';
import type { Statuses } from './statuses.js';

export interface CertificateParts {
  readonly batches: Batches;
  readonly buckets: Buckets;
  readonly segments: Segments;
  readonly statuses: Statuses;
  readonly journal: ClaimJournal;
  readonly issuanceTime: IssuanceTime;
  readonly clock: Clock;
}

/** Look-ups read more places than are asked for: some lead to requests without a certificate. */
const placesSurplus = 64;
const bucketsAtOnce = 8;
const chunkNumberPattern = /^\d{1,8}$/;

/**
 * The ends of chunks. The stored segment is the end; what follows from it (what is given back, the
 * bucket's counts, the batch's completion) is done after it, by whoever publishes the chunk, the first
 * time or again, and each step may be repeated.
 */
export class Certificates implements CertificateStore {
  readonly #parts: CertificateParts;

  constructor(parts: CertificateParts) {
    this.#parts = parts;
  }

  async publish(terminal: TerminalChunk): Promise<'published' | 'already-published'> {
    const { buckets, segments } = this.#parts;
    const ref = refOf(terminal.chunk);
    const { answer: chunk } = await buckets.change(ref, confirming(ref));
    if (terminal.codes.length !== chunk.count || terminal.firstIndex !== chunk.firstIndex) {
      throw new CertmillError('FAULT_PROCESSING', 'the terminal record is of another chunk');
    }
    // Counted last of all: nothing is left to do.
    if (chunk.ends !== undefined) return 'already-published';
    const { isFirst, stored } = await segments.insert(terminal);
    await this.#finish(ref, stored);
    return isFirst ? 'published' : 'already-published';
  }

  async chunkState(chunk: ChunkRef): Promise<ChunkState | undefined> {
    const view = await this.#parts.buckets.view(chunk);
    return (
      view && {
        durable: view.chunk.confirmed,
        ended: view.chunk.ends !== undefined,
        cancelled: view.closed === 'cancelled',
      }
    );
  }

  async markDeadLettered(chunk: ChunkRef, cause: DeadLetterCause): Promise<void> {
    const { buckets, segments, clock } = this.#parts;
    const ref = refOf(chunk);
    // Whoever stored the segment may have got no further: then it has ended, and is no dead letter.
    const stored = await segments.terminal(ref);
    if (stored !== undefined) return this.#finish(ref, stored);
    const atMs = clock.nowMs();
    const { bucket } = await buckets.change(ref, marking(ref, cause, atMs));
    await this.#noteProgress(ref, bucket, atMs);
  }

  async retryDeadLetter(chunk: ChunkRef, atMs: number): Promise<DeadLetter | undefined> {
    const ref = refOf(chunk);
    return (await this.#parts.buckets.change(ref, retrying(ref, atMs))).answer;
  }

  async getDeadLetter(chunk: ChunkRef): Promise<DeadLetter | undefined> {
    const view = await this.#parts.buckets.view(chunk);
    return view && deadLetterOf(chunk, view.chunk);
  }

  async listDeadLetters(
    tenant: TenantId,
    batchId: BatchId,
    page: PageRequest,
  ): Promise<Page<DeadLetter>> {
    const limit = pageLimit(page);
    const after = Number(cursorPlace(page, chunkNumberPattern) ?? -1);
    const letters: DeadLetter[] = [];
    let from = bucketOfChunk(after + 1);
    while (letters.length <= limit) {
      const found = await this.#parts.buckets.withLetters(tenant, batchId, from, bucketsAtOnce);
      for (const bucket of found) {
        for (const { chunkNumber, chunk } of chunksOf(bucket)) {
          const letter = deadLetterOf({ tenant, batchId, chunkNumber }, chunk);
          if (letter !== undefined && chunkNumber > after) letters.push(letter);
          from = bucketOfChunk(chunkNumber) + 1;
        }
      }
      if (found.length < bucketsAtOnce) break;
    }
    return pageOf(
      letters.slice(0, limit + 1),
      limit,
      (letter) => letter,
      ({ chunk }) => String(chunk.chunkNumber),
    );
  }

  getSegment(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    return this.#parts.segments.get(chunk);
  }

  async findChunk(
    tenant: TenantId,
    batchId: BatchId,
    index: number,
  ): Promise<ChunkRef | undefined> {
    const found = await this.#parts.buckets.chunkAt(tenant, batchId, index);
    return found && { tenant, batchId, chunkNumber: found.chunkNumber };
  }

  async findByUdid(
    tenant: TenantId,
    udid: Uint8Array,
    limit: number,
  ): Promise<readonly StoredRequest[]> {
    const { journal, segments } = this.#parts;
    return segments.requestsAt(
      await journal.findByUdid(tenant, udid, limit + placesSurplus),
      limit,
    );
  }

  async findByDevice(
    tenant: TenantId,
    deviceId: string,
    limit: number,
  ): Promise<readonly StoredRequest[]> {
    const { journal, segments } = this.#parts;
    const places = await journal.findByDevice(tenant, deviceId, limit + placesSurplus);
    return segments.requestsAt(places, limit);
  }

  placesOf(
    tenant: TenantId,
    devices: readonly AllowListQuery[],
    limit: number,
  ): Promise<readonly (readonly RequestPlace[])[]> {
    const { journal } = this.#parts;
    // Together they are one look at the journal's end.
    return Promise.all(
      devices.map(async ({ deviceId, udid }) => {
        const places =
          deviceId === undefined
            ? await journal.findByUdid(tenant, udid, limit)
            : await journal.findByDevice(tenant, deviceId, limit);
        return places.map(withoutTenant);
      }),
    );
  }

  async claimsOf(
    tenant: TenantId,
    profileName: string,
    devices: readonly AllowListQuery[],
  ): Promise<readonly (readonly RequestPlace[])[]> {
    const lists = await this.#parts.journal.claimsOf(tenant, profileName, devices);
    return lists.map((places) => places.map(withoutTenant));
  }

  getStatus(tenant: TenantId, batchId: BatchId, index: number): Promise<CertificateStatus> {
    return this.#parts.statuses.getStatus(tenant, batchId, index);
  }

  listStatuses(
    tenant: TenantId,
    batchId: BatchId,
    firstIndex: number,
    count: number,
  ): Promise<ReadonlyMap<number, CertificateStatus>> {
    return this.#parts.statuses.listStatuses(tenant, batchId, firstIndex, count);
  }

  lastIssuanceMs(): Promise<number> {
    return this.#parts.issuanceTime.last();
  }

  async #finish(ref: ChunkRef, stored: TerminalDocument): Promise<void> {
    const { buckets, journal, issuanceTime } = this.#parts;
    await Promise.all([
      stored.released.length > 0 ? journal.giveBack(ref, stored.released) : undefined,
      issuanceTime.pin(stored.receivedAtMs),
    ]);
    const { bucket } = await buckets.change(ref, ending(ref, stored.ends));
    await this.#noteProgress(ref, bucket, stored.publishedAtMs);
  }

  /** The batch is looked at when this bucket can be the last that it waited for. */
  async #noteProgress(
    { tenant, batchId }: ChunkRef,
    bucket: BucketSummary | undefined,
    atMs: number,
  ): Promise<void> {
    if (bucket === undefined || inFlightOf(bucket.sums) > 0) return;
    const isWhole =
      bucket.closed !== undefined ||
      bucket.total !== undefined ||
      bucket.sums.confirmed === chunksPerBucket;
    if (isWhole) await this.#parts.batches.noteProgress(tenant, batchId, atMs, bucket);
  }
}

function withoutTenant({ chunk, index }: JournalPlace): RequestPlace {
  const { batchId, chunkNumber } = chunk;
  return { batchId, chunkNumber, index };
}

/** Only what names the chunk: callers pass whole chunks as references. */
function refOf({ tenant, batchId, chunkNumber }: ChunkRef): ChunkRef {
  return { tenant, batchId, chunkNumber };
}
