import {
  batchIdOf,
  CertmillError,
  leastRequestsPerChunk,
  maxRequestsPerBatch,
  type Batch,
  type ChunkRef,
  type Lane,
  type Order,
  type Profile,
} from '@certmill/domain';
import { encodeReceivedChunk, type ReceivedChunk } from '@certmill/events';
import type {
  BatchStore,
  CertificateStore,
  ChunkRegistration,
  Clock,
  EventLog,
} from '@certmill/ports';
import type { Hops } from '../hop-seal.js';
import type { InputItem } from '../input/input-item.js';
import type { StageObserver } from '../run-stage.js';
import { traceparentOfChunk } from '../trace-context.js';
import type { IngestPace } from './ingest-pace.js';
import { ChunkPacker, type PackedRequests } from './pack-chunks.js';
import type { TenantWindows } from './tenant-window.js';

export interface IngestPorts {
  readonly batches: BatchStore & Pick<CertificateStore, 'findChunk'>;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'received'>;
  /** An issuance clock: its time is pinned in chunks. */
  readonly clock: Clock;
  /** Id of the serial key in force (1-127). */
  readonly serialKeyId: number;
  /** Shared by all uploads and enrolments. */
  readonly pace: IngestPace;
  /** Bounds what a tenant's bulk uploads have in the log; absent: only the log's own bound does. */
  readonly windows?: TenantWindows;
  /**
   * Why the issuer takes no more of the order, to stand behind its name; sign refuses it too. The profile is that of the
   * order; absent where nothing is added.
   */
  readonly batchRefusal: (issuer: string, order: Order, profile?: Profile) => string | undefined;
  /** What the issuer holds certificates of the profile to; absent: nothing. Sign holds them too. */
  readonly heldIds?: (issuer: string, profile: Profile) => ReceivedChunk['heldIds'];
  /** Told of requests that became durable in the log. */
  readonly onReceived?: StageObserver['received'];
}

export interface Upload {
  readonly order: Order;
  readonly profile: Profile;
  readonly lane: Lane;
  readonly idempotencyKey: string;
  /** Index of the first item: 0, or where an earlier upload of the batch broke off (its nextIndex). */
  readonly firstIndex: number;
  /** W3C Trace Context of the call, handed on with each chunk; few of a long upload are traced. */
  readonly traceparent?: string | undefined;
  /** Aborts when the server stops: an upload that waits for its turn ends. */
  readonly signal?: AbortSignal;
}

/** Chunks of one upload between packing and durable: bounds memory and lets fsyncs overlap. */
const chunksInHand = 8;

const noCounters = { accepted: 0, issued: 0, rejected: 0, cancelled: 0, deadLettered: 0 };

/**
 * Opens the batch of a client's upload, or finds it: the id comes from the Idempotency-Key. Refuses a closed or
 * expired order, one whose issuer no longer serves the tenant or signs the profile (CONFLICT), and that of a reissue
 * (FORBIDDEN).
 */
export function openBatch(ports: IngestPorts, upload: Omit<Upload, 'firstIndex'>): Promise<Batch> {
  const { orderId, reissues } = upload.order;
  if (reissues === true) {
    const message = `order ${orderId} takes nothing but what the mass operation of its name issues anew`;
    return Promise.reject(new CertmillError('FORBIDDEN', message));
  }
  return batchOf(ports, upload);
}

/** As `openBatch`, for whoever may upload into any order. */
async function batchOf(
  ports: IngestPorts,
  upload: Pick<Upload, 'order' | 'lane' | 'idempotencyKey'> & Partial<Pick<Upload, 'profile'>>,
): Promise<Batch> {
  const { order, profile, lane, idempotencyKey } = upload;
  if (idempotencyKey.length === 0 || idempotencyKey.length > 255) {
    throw new CertmillError('INVALID_INPUT', 'the Idempotency-Key must have 1 to 255 characters');
  }
  assertIssuerTakes(ports, order, profile);
  const nowMs = ports.clock.nowMs();
  const epoch = await ports.batches.storeEpoch();
  const batchId = batchIdOf(epoch, order.tenant, order.orderId, idempotencyKey);
  if (!isOpen(order, nowMs)) {
    const existing = await ports.batches.getBatch(order.tenant, batchId);
    if (existing !== undefined) return existing;
    throw new CertmillError('CONFLICT', `order ${order.orderId} is closed or past its date`);
  }
  return ports.batches.openBatch({
    tenant: order.tenant,
    batchId,
    orderId: order.orderId,
    lane,
    idempotencyKey,
    createdAtMs: nowMs,
    nextIndex: 0,
    counters: noCounters,
  });
}

/** CONFLICT where the issuer takes no more of the order. */
function assertIssuerTakes(
  { batchRefusal }: IngestPorts,
  order: Order,
  profile: Profile | undefined,
): void {
  const refusal = batchRefusal(order.issuer, order, profile);
  if (refusal === undefined) return;
  throw new CertmillError(
    'CONFLICT',
    `issuer ${order.issuer} of order ${order.orderId} ${refusal}; open another order`,
  );
}

function isOpen(order: Order, nowMs: number): boolean {
  return order.closedAtMs === undefined && nowMs <= order.expiresAtMs;
}

/**
 * Streams an upload into the log. Resolves only when every chunk is durable; what arrived before a
 * break is durable up to the batch's nextIndex, and the same key resumes there. The same bytes again
 * issue nothing twice; other bytes at an index that is registered are a CONFLICT, and so is what comes after the issuer
 * was given up, revoked or left no room for the profile.
 */
export async function uploadBatch(
  ports: IngestPorts,
  upload: Upload,
  items: AsyncIterable<readonly InputItem[]>,
): Promise<Batch> {
  return uploadInto(ports, upload, await openBatch(ports, upload), items);
}

/** As `uploadBatch`, with the batch that `openBatch` gave. */
export async function uploadInto(
  ports: IngestPorts,
  upload: Upload,
  batch: Batch,
  items: AsyncIterable<readonly InputItem[]>,
): Promise<Batch> {
  if (batch.cancelledAtMs !== undefined) {
    throw new CertmillError('CONFLICT', `batch ${batch.batchId} was cancelled`);
  }
  if (batch.lane !== upload.lane) {
    throw new CertmillError('CONFLICT', 'the Idempotency-Key belongs to an upload of another lane');
  }
  const appender = new ChunkAppender(ports, upload, batch, await chunkBefore(ports, upload, batch));
  const packer = new ChunkPacker(upload.order.requestsPerChunk ?? leastRequestsPerChunk);
  using window = upload.lane === 'bulk' ? ports.windows?.open(batch) : undefined;
  try {
    for await (const group of items) {
      for (const item of group) {
        const full = packer.add(item);
        if (full === undefined) continue;
        const requests = full.requestLengths.length;
        if (upload.lane === 'bulk') await ports.pace.turn(requests);
        await window?.enter(requests, upload.signal);
        await appender.append(full);
      }
    }
    const rest = packer.take();
    if (rest === undefined && appender.nextIndex === 0) {
      throw new CertmillError('INVALID_INPUT', 'the upload holds no certification request');
    }
    return await appender.complete(rest);
  } finally {
    await appender.settle();
  }
}

/**
 * Adds requests to a batch whose upload goes on with a later call: they are durable when it resolves,
 * from `firstIndex` on and in chunks of their own, so that the next call begins where this one ended.
 * Only the last call ends the upload. Resolves to the index behind them. For a mass operation: into the order of a
 * reissue too.
 */
export async function extendBatch(
  ports: IngestPorts,
  upload: Upload,
  items: readonly InputItem[],
  isLast: boolean,
): Promise<number> {
  const batch = await batchOf(ports, upload);
  if (batch.cancelledAtMs !== undefined) {
    throw new CertmillError('CONFLICT', `batch ${batch.batchId} was cancelled`);
  }
  const appender = new ChunkAppender(ports, upload, batch, await chunkBefore(ports, upload, batch));
  const packer = new ChunkPacker(upload.order.requestsPerChunk ?? leastRequestsPerChunk);
  using window = ports.windows?.open(batch);
  const append = async (requests: PackedRequests): Promise<void> => {
    await ports.pace.turn(requests.requestLengths.length);
    await window?.enter(requests.requestLengths.length, upload.signal);
    await appender.append(requests);
  };
  try {
    for (const item of items) {
      const full = packer.add(item);
      if (full !== undefined) await append(full);
    }
    const rest = packer.take();
    if (rest !== undefined) await append(rest);
    if (isLast) await appender.complete(undefined);
    else await appender.flush();
    return appender.nextIndex;
  } finally {
    await appender.settle();
  }
}

/**
 * Ends an upload at an index, whether it has begun or not: nothing is added to its batch any more.
 * Faults: as `extendBatch`, CONFLICT where more is registered.
 */
export async function endUpload(
  ports: IngestPorts,
  upload: Pick<Upload, 'order' | 'lane' | 'idempotencyKey'>,
  total: number,
): Promise<void> {
  const { tenant, batchId } = await batchOf(ports, upload);
  await ports.batches.completeUpload(tenant, batchId, total, ports.clock.nowMs());
}

/** The chunk that the upload goes on behind; undefined where it begins with the batch. */
async function chunkBefore(
  ports: IngestPorts,
  upload: Upload,
  batch: Batch,
): Promise<ChunkRegistration | undefined> {
  const { firstIndex } = upload;
  if (firstIndex === 0) return undefined;
  const refuse = (): never => {
    throw new CertmillError(
      'CONFLICT',
      `an upload of this batch resumes at index 0 or ${String(batch.nextIndex)}, not at ${String(firstIndex)}`,
    );
  };
  if (firstIndex > batch.nextIndex) refuse();
  const before = await ports.batches.findChunk(batch.tenant, batch.batchId, firstIndex - 1);
  const registered = before && (await ports.batches.getRegistration(before));
  if (
    registered?.firstIndex !== undefined &&
    registered.firstIndex + registered.count === firstIndex
  ) {
    return registered;
  }
  return refuse();
}

/** Registers, appends and confirms chunks, a few at a time, and keeps the first failure. */
class ChunkAppender {
  readonly #ports: IngestPorts;
  readonly #upload: Upload;
  readonly #batch: Batch;
  readonly #inHand = new Set<Promise<void>>();
  readonly #firstChunk: number;
  #chunkNumber: number;
  #previousDigest: Uint8Array | undefined;
  #failure: { readonly cause: unknown } | undefined;
  /** The index after the last request given to `append`. */
  nextIndex: number;

  constructor(
    ports: IngestPorts,
    upload: Upload,
    batch: Batch,
    before: ChunkRegistration | undefined,
  ) {
    this.#ports = ports;
    this.#upload = upload;
    this.#batch = batch;
    this.#firstChunk = before === undefined ? 0 : before.chunkNumber + 1;
    this.#chunkNumber = this.#firstChunk;
    this.#previousDigest = before?.digest;
    this.nextIndex = upload.firstIndex;
  }

  /** Waits for room (back-pressure to the socket), then lets the chunk go its way. */
  async append(requests: PackedRequests): Promise<void> {
    while (this.#inHand.size >= chunksInHand) await Promise.race(this.#inHand);
    this.#assertSound();
    const { chunk, logged } = this.#start(requests);
    this.#hold(logged.then((isNew) => this.#confirm(chunk, isNew)));
  }

  /** Appends the last chunk, if any is left; resolves once all of the upload is durable. */
  async complete(rest: PackedRequests | undefined): Promise<Batch> {
    const last = rest && this.#start(rest);
    if (last !== undefined) this.#hold(last.logged);
    await this.settle();
    this.#assertSound();
    const { batches, clock } = this.#ports;
    const { tenant, batchId } = this.#batch;
    const isNew = last !== undefined && (await last.logged);
    const confirming = last && this.#confirm(last.chunk, isNew);
    // An enrolment needs no counters: both at once are one transaction for the store.
    if (this.#upload.lane === 'bulk') await confirming;
    const completing = batches.completeUpload(tenant, batchId, this.nextIndex, clock.nowMs());
    const [batch] = await Promise.all([completing, confirming]);
    return batch;
  }

  /** Resolves once all that was given to `append` is durable. */
  async flush(): Promise<void> {
    await this.settle();
    this.#assertSound();
  }

  async settle(): Promise<void> {
    await Promise.all(this.#inHand);
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  #hold(work: Promise<unknown>): void {
    const held = work
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .then(() => {
        this.#inHand.delete(held);
      });
    this.#inHand.add(held);
  }

  /** Registers the chunk and appends it to the log; `logged` is false where it was there before. */
  #start(requests: PackedRequests): {
    readonly chunk: ChunkRef;
    readonly logged: Promise<boolean>;
  } {
    // An upload may run for hours, and what is left of an issuer that was given up has to end some time.
    assertIssuerTakes(this.#ports, this.#upload.order, this.#upload.profile);
    const firstIndex = this.nextIndex;
    this.nextIndex += requests.requestLengths.length;
    if (this.nextIndex > maxRequestsPerBatch) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        `a batch holds at most ${String(maxRequestsPerBatch)} requests; split the upload`,
      );
    }
    const { tenant, batchId } = this.#batch;
    const chunk = { tenant, batchId, chunkNumber: this.#chunkNumber++ };
    // Registered in order, and chained: behind a chunk that is refused none is, let alone signed.
    const registering = this.#register(chunk, firstIndex, requests);
    this.#previousDigest = requests.digest;
    const logged = registering.then((pinned) => this.#log(chunk, pinned, requests));
    return { chunk, logged };
  }

  async #confirm(chunk: ChunkRef, isNew: boolean): Promise<void> {
    if (isNew) await this.#ports.batches.confirmChunk(chunk);
  }

  async #register(
    chunk: ChunkRef,
    firstIndex: number,
    requests: PackedRequests,
  ): Promise<ChunkRegistration> {
    const { batches, clock, serialKeyId } = this.#ports;
    const { profile } = this.#upload;
    const receivedAtMs = clock.nowMs();
    const pinned = await batches.registerChunk({
      ...chunk,
      firstIndex,
      count: requests.requestLengths.length,
      digest: requests.digest,
      ...(this.#previousDigest === undefined ? {} : { previousDigest: this.#previousDigest }),
      receivedAtMs,
      signBeforeMs: receivedAtMs + profile.maxWaitSeconds * 1000,
      serialKeyId,
    });
    if (pinned.firstIndex !== firstIndex || Buffer.compare(pinned.digest, requests.digest) !== 0) {
      throw new CertmillError(
        'CONFLICT',
        `other requests are stored at index ${String(pinned.firstIndex)} under this Idempotency-Key`,
      );
    }
    return pinned;
  }

  async #log(
    chunk: ChunkRef,
    pinned: ChunkRegistration,
    requests: PackedRequests,
  ): Promise<boolean> {
    const { log, hops, onReceived } = this.#ports;
    const { order, profile, lane } = this.#upload;
    const { firstIndex } = pinned;
    if (firstIndex + pinned.count <= this.#batch.nextIndex) return false;
    const heldIds = this.#ports.heldIds?.(order.issuer, profile);
    const received: ReceivedChunk = {
      ...chunk,
      orderId: order.orderId,
      firstIndex,
      lane,
      receivedAtMs: pinned.receivedAtMs,
      signBeforeMs: pinned.signBeforeMs,
      profileHash: order.profileHash,
      issuer: order.issuer,
      serialKeyId: pinned.serialKeyId,
      ...(heldIds === undefined ? {} : { heldIds }),
      requestsDer: requests.requestsDer,
      requestLengths: requests.requestLengths,
      deviceIds: requests.deviceIds,
      sources: requests.sources,
      rejections: requests.rejections,
      rejectionDetails: requests.rejectionDetails,
    };
    const traceparent = traceparentOfChunk(
      this.#upload.traceparent,
      chunk.chunkNumber - this.#firstChunk,
    );
    await log.append(...hops.received.seal(received, encodeReceivedChunk(received), traceparent));
    onReceived?.(lane, pinned.count);
    return true;
  }
}
