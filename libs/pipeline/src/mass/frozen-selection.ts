import { frozenPageBatches, type FrozenBatch } from '@certmill/domain';
import type { FrozenSelectionName, MassOperationStore } from '@certmill/ports';

/** One that is worked on, and one that is looked at again. */
const pagesKept = 2;

/** A frozen selection, read a page at a time. */
export class FrozenSelection {
  readonly #operations: Pick<MassOperationStore, 'frozenPage'>;
  readonly #name: FrozenSelectionName;
  readonly #kept = new Map<number, readonly FrozenBatch[]>();

  constructor(operations: Pick<MassOperationStore, 'frozenPage'>, name: FrozenSelectionName) {
    this.#operations = operations;
    this.#name = name;
  }

  /** The batch at a position; undefined behind the last one. */
  async at(position: number): Promise<FrozenBatch | undefined> {
    const page = Math.floor(position / frozenPageBatches);
    return (await this.#page(page))[position % frozenPageBatches];
  }

  /** All, in order. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FrozenBatch> {
    for (let position = 0; ; position += 1) {
      const batch = await this.at(position);
      if (batch === undefined) return;
      yield batch;
    }
  }

  async #page(page: number): Promise<readonly FrozenBatch[]> {
    const kept = this.#kept.get(page);
    if (kept !== undefined) return kept;
    const batches = await this.#operations.frozenPage(this.#name, page);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= pagesKept && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(page, batches);
    return batches;
  }
}
