import {
  chunkIdOf,
  CertmillError,
  inFlightOf,
  type Batch,
  type ChunkRef,
  type TenantId,
} from '@certmill/domain';
import { topics } from '@certmill/events';
import type {
  BatchStore,
  CertificateStore,
  OrderStore,
  Page,
  PageRequest,
  TenantStore,
  VerdictStore,
} from '@certmill/ports';

export type ReconciledStore = Pick<TenantStore, 'listTenants'> &
  Pick<OrderStore, 'listOrders'> &
  Pick<BatchStore, 'listBatches' | 'getRegistration'> &
  Pick<CertificateStore, 'chunkState' | 'getDeadLetter' | 'markDeadLettered'> &
  Pick<VerdictStore, 'getVerdict'>;

export interface StrandedChunk {
  readonly chunk: ChunkRef;
  readonly requests: number;
}

export interface StrandedOptions {
  readonly store: ReconciledStore;
  /**
   * Ids of the chunks in the topics that the groups have not committed. It MUST read the topics in the
   * order of the stages: a stage appends before it commits, so a chunk that moves on is seen behind.
   */
  readonly readPending: () => Promise<ReadonlySet<string>>;
  /** Chunks that were received, or retried, after this are left alone: they may be on their way there. */
  readonly beforeMs: number;
  /** Only tells. */
  readonly dryRun: boolean;
}

const pageSize = 500;

/**
 * Chunks that are durable and have neither ended nor become dead letters, and that no topic holds any
 * more (a topic was lost; a record was refused under a key that was dropped): nothing would ever move
 * them. They become dead letters without a record, so that an operator sees and drops them, which gives
 * claims and quota back. Right beside a running fleet too.
 */
export async function markStranded(options: StrandedOptions): Promise<readonly StrandedChunk[]> {
  const { store, readPending, dryRun } = options;
  // The store first: what is open in it by now is seen in a topic later, or has ended.
  const open: (StrandedChunk & { readonly batch: Batch })[] = [];
  for await (const { tenant, batch } of batchesOf(store)) {
    if (inFlightOf(batch.counters) === 0) continue;
    for await (const found of openChunks(options, tenant, batch)) open.push({ ...found, batch });
  }
  if (open.length === 0) return [];
  const pending = await readPending();
  const stranded: StrandedChunk[] = [];
  for (const { chunk, requests, batch } of open) {
    if (pending.has(chunkIdOf(chunk)) || !(await isOpen(options, chunk))) continue;
    if (!dryRun) await mark(store, chunk, batch);
    stranded.push({ chunk, requests });
  }
  return stranded;
}

/** Requests of all tenants that are dead letters, neither retried nor dropped. */
export async function countDeadLettered(
  store: Pick<ReconciledStore, 'listTenants' | 'listOrders' | 'listBatches'>,
): Promise<number> {
  let sum = 0;
  for await (const { batch } of batchesOf(store)) sum += batch.counters.deadLettered;
  return sum;
}

async function* openChunks(
  options: StrandedOptions,
  tenant: TenantId,
  { batchId }: Batch,
): AsyncGenerator<StrandedChunk> {
  for (let chunkNumber = 0; ; chunkNumber += 1) {
    const chunk = { tenant, batchId, chunkNumber };
    const registration = await options.store.getRegistration(chunk);
    if (registration === undefined) return;
    if (registration.receivedAtMs >= options.beforeMs) continue;
    if (await isOpen(options, chunk)) yield { chunk, requests: registration.count };
  }
}

/** Whether only a record in a topic can bring the chunk to an end. */
async function isOpen({ store, beforeMs }: StrandedOptions, chunk: ChunkRef): Promise<boolean> {
  const [state, letter] = await Promise.all([store.chunkState(chunk), store.getDeadLetter(chunk)]);
  if (state === undefined || state.ended || !state.durable) return false;
  if (letter === undefined) return true;
  return letter.retriedAtMs !== undefined && letter.retriedAtMs < beforeMs;
}

async function mark(store: ReconciledStore, chunk: ChunkRef, { lane }: Batch): Promise<void> {
  const isDecided = (await store.getVerdict(chunk)) !== undefined;
  await store.markDeadLettered(chunk, {
    code: 'FAULT_PROCESSING',
    detail: 'its record is in no topic any more',
    stage: isDecided ? 'sign' : 'validate',
    topic: (isDecided ? topics.requestsValidated : topics.requestsReceived)[lane],
    place: '',
  });
}

async function* batchesOf(
  store: Pick<ReconciledStore, 'listTenants' | 'listOrders' | 'listBatches'>,
): AsyncGenerator<{ readonly tenant: TenantId; readonly batch: Batch }> {
  for await (const tenant of allOf((page) => store.listTenants(page))) {
    for await (const { orderId } of allOf((page) => store.listOrders(tenant, page))) {
      for await (const batch of allOf((page) => store.listBatches(tenant, orderId, page))) {
        yield { tenant, batch };
      }
    }
  }
}

async function* allOf<T>(list: (page: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { items, next } = await list({ limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}

/** Refuses, CONFLICT, what would bury records for good: `waiting` in topics, `deadLettered` requests. */
export function assertNothingWaits(waiting: number, deadLettered: number): void {
  if (waiting === 0 && deadLettered === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `${String(waiting)} chunks wait in topics and ${String(deadLettered)} requests are dead letters: their seals may be of the old key, and could never be opened again; let the lag go to 0, retry or drop the dead letters, then drop the key`,
  );
}
