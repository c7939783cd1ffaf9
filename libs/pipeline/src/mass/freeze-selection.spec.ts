import { CertmillError, type Batch, type FrozenBatch } from '@certmill/domain';
import type { FrozenSelectionName, PageRequest } from '@certmill/ports';
import { freezeSelection } from './freeze-selection.js';
import { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';

const name: FrozenSelectionName = { tenant: 'acme', operationId: 'op', freezeId: 'freeze' };

const count = 100_000;

/** An order of single enrolments, which may grow while it is read; and where it is frozen. */
class Enrolments {
  /** Newest last. */
  readonly batches: Batch[];
  readonly pages: (readonly FrozenBatch[])[] = [];
  pagesRead = 0;
  onPage: (page: number) => void = () => undefined;

  constructor() {
    this.batches = Array.from({ length: count }, (_, i) => this.#enrolled(i));
  }

  readonly ports = {
    orders: {
      getOrder: (_: string, orderId: string) => Promise.resolve({ orderId }),
    },
    batches: {
      listBatches: (_: string, __: string, { limit, cursor }: PageRequest) => {
        const end = Number(cursor ?? this.batches.length);
        const from = Math.max(0, end - limit);
        const items = this.batches.slice(from, end).toReversed();
        return Promise.resolve(from === 0 ? { items } : { items, next: String(from) });
      },
    },
    operations: {
      putFrozenPage: (_: FrozenSelectionName, page: number, batches: readonly FrozenBatch[]) => {
        this.onPage(page);
        this.pages[page] = batches;
        return Promise.resolve();
      },
      dropFrozen: () => {
        this.pages.length = 0;
        return Promise.resolve();
      },
      frozenPage: (_: FrozenSelectionName, page: number) => {
        this.pagesRead += 1;
        return Promise.resolve(this.pages[page] ?? []);
      },
    },
  } as unknown as MassPorts;

  get frozen(): FrozenSelection {
    return new FrozenSelection(this.ports.operations, { ...name, frozenBatches: count });
  }

  enrolOne(): void {
    this.batches.push(this.#enrolled(this.batches.length));
  }

  async frozenIds(): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const { batchId } of this.frozen) {
      ids.push(batchId);
    }
    return ids;
  }

  #enrolled(i: number): Batch {
    const counters = { accepted: 1, issued: 1, rejected: 0, cancelled: 0, deadLettered: 0 };
    const batchId = `batch-${String(i)}`;
    return { ...name, batchId, orderId: 'spring', nextIndex: 1, counters } as unknown as Batch;
  }
}

describe('an order of 100,000 single enrolments', () => {
  it('is frozen and read page by page, each once, without those that came meanwhile', async () => {
    const enrolments = new Enrolments();
    enrolments.onPage = () => enrolments.enrolOne();
    const before = enrolments.batches.map(({ batchId }) => batchId);
    const selection = { orderId: 'spring' };
    const size = await freezeSelection(enrolments.ports, name, selection);
    expect(size).toEqual({ batches: count, requests: count, certificates: count });
    expect(enrolments.pages.map(({ length }) => length)).toEqual(Array(200).fill(500));
    expect(await enrolments.frozenIds()).toEqual(before.toReversed());
    expect(enrolments.pagesRead).toBe(200);
    const { frozen } = enrolments;
    expect([await frozen.at(0), await frozen.at(count - 1), await frozen.at(count)]).toEqual([
      expect.objectContaining({ batchId: 'batch-99999' }),
      expect.objectContaining({ batchId: 'batch-0' }),
      undefined,
    ]);
  });

  it('does not end before a page that is not stored', async () => {
    const enrolments = new Enrolments();
    await freezeSelection(enrolments.ports, name, { orderId: 'spring' });
    enrolments.pages.length = 199;
    await expect(enrolments.frozenIds()).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    enrolments.pages.push([]);
    await expect(enrolments.frozen.at(count - 1)).rejects.toThrow('batch 99999 of');
    expect(await enrolments.frozen.at(count)).toBeUndefined();
  });

  it('leaves nothing behind where it cannot be frozen whole', async () => {
    const enrolments = new Enrolments();
    enrolments.onPage = (page) => {
      if (page === 7) throw new CertmillError('FAULT_DISK_FULL', 'no room');
    };
    const freezing = freezeSelection(enrolments.ports, name, { orderId: 'spring' });
    await expect(freezing).rejects.toThrow('no room');
    expect(enrolments.pages).toEqual([]);
  });
});
