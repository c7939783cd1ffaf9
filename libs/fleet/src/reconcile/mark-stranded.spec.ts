import { chunkIdOf, type Batch, type ChunkRef } from '@certmill/domain';
import type { DeadLetterCause } from '@certmill/ports';
import {
  assertNothingWaits,
  countDeadLettered,
  markStranded,
  type ReconciledStore,
} from './mark-stranded.js';

const batchId = '0123456789abcdef0123456789';

interface Chunk {
  readonly receivedAtMs?: number;
  readonly durable?: boolean;
  ended?: boolean;
  readonly decided?: boolean;
  readonly letter?: { readonly retriedAtMs?: number };
}

/** A store of one batch, whose orders and batches come in pages of one. */
function storeOf(chunks: readonly Chunk[], deadLettered = 0) {
  const marked: [number, DeadLetterCause][] = [];
  const counters = { accepted: 100, issued: 0, rejected: 0, cancelled: 0, deadLettered };
  const batch = { batchId, lane: 'interactive', counters } as unknown as Batch;
  const emptyBatch = { ...batch, counters: { ...counters, accepted: 0, deadLettered: 0 } };
  const of = ({ chunkNumber }: ChunkRef): Chunk | undefined => chunks[chunkNumber];
  const store = {
    listTenants: () => Promise.resolve({ items: ['acme'] }),
    listOrders: (_: string, { cursor }: { cursor?: string }) =>
      Promise.resolve(
        cursor === undefined
          ? { items: [{ orderId: 'first' }], next: 'c' }
          : { items: [{ orderId: 'second' }] },
      ),
    listBatches: (_: string, orderId: string) =>
      Promise.resolve({ items: [orderId === 'second' ? batch : emptyBatch] }),
    getRegistration: (chunk: ChunkRef) => {
      const found = of(chunk);
      return Promise.resolve(found && { count: 10, receivedAtMs: found.receivedAtMs ?? 0 });
    },
    chunkState: (chunk: ChunkRef) => {
      const { durable = true, ended = false } = of(chunk) ?? {};
      return Promise.resolve({ durable, ended, cancelled: false });
    },
    getDeadLetter: (chunk: ChunkRef) => Promise.resolve(of(chunk)?.letter),
    getVerdict: (chunk: ChunkRef) =>
      Promise.resolve(of(chunk)?.decided === true ? new Uint8Array() : undefined),
    markDeadLettered: ({ chunkNumber }: ChunkRef, cause: DeadLetterCause) => {
      marked.push([chunkNumber, cause]);
      return Promise.resolve();
    },
  } as unknown as ReconciledStore;
  return { store, marked };
}

const none = (): Promise<ReadonlySet<string>> => Promise.resolve(new Set());
const idOf = (chunkNumber: number): string => chunkIdOf({ tenant: 'acme', batchId, chunkNumber });

describe('chunks that are in no topic', () => {
  it('become dead letters without a record, of the stage that they waited for', async () => {
    const { store, marked } = storeOf([{}, { decided: true }]);
    const found = await markStranded({ store, readPending: none, beforeMs: 1, dryRun: false });
    expect(found.map(({ chunk, requests }) => [chunk.chunkNumber, requests])).toEqual([
      [0, 10],
      [1, 10],
    ]);
    expect(marked).toEqual([
      [
        0,
        expect.objectContaining({
          code: 'FAULT_PROCESSING',
          stage: 'validate',
          topic: 'certmill.requests.received.v1.interactive',
          place: '',
        }),
      ],
      [
        1,
        expect.objectContaining({
          stage: 'sign',
          topic: 'certmill.requests.validated.v1.interactive',
        }),
      ],
    ]);
  });

  it('are left alone where they are young, open, over, or waiting for a person', async () => {
    const { store, marked } = storeOf([
      { receivedAtMs: 1_000 },
      { durable: false },
      { ended: true },
      { letter: {} },
      { letter: { retriedAtMs: 1_000 } },
      {},
      { letter: { retriedAtMs: 999 } },
    ]);
    const readPending = () => Promise.resolve(new Set([idOf(5)]));
    await markStranded({ store, readPending, beforeMs: 1_000, dryRun: false });
    expect(marked.map(([chunkNumber]) => chunkNumber)).toEqual([6]);
  });

  it('are none that ended while the topics were read', async () => {
    const chunk: Chunk = {};
    const { store, marked } = storeOf([chunk]);
    const readPending = () => {
      chunk.ended = true;
      return none();
    };
    expect(await markStranded({ store, readPending, beforeMs: 1, dryRun: false })).toEqual([]);
    expect(marked).toEqual([]);
  });

  it('are only told of in a dry run', async () => {
    const { store, marked } = storeOf([{}]);
    expect(
      await markStranded({ store, readPending: none, beforeMs: 1, dryRun: true }),
    ).toHaveLength(1);
    expect(marked).toEqual([]);
  });
});

describe('a key', () => {
  it('is dropped only where nothing waits and no dead letter is left', async () => {
    const deadLettered = await countDeadLettered(storeOf([], 7).store);
    expect(deadLettered).toBe(7);
    const conflict = expect.objectContaining({ code: 'CONFLICT' }) as unknown as Error;
    expect(() => assertNothingWaits(0, deadLettered)).toThrow(conflict);
    expect(() => assertNothingWaits(1, 0)).toThrow(conflict);
    assertNothingWaits(0, 0);
  });
});
