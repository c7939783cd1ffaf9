import {
  CertmillError,
  frozenPageBatches,
  type FrozenBatch,
  type MassOperation,
} from '@certmill/domain';
import type { FrozenSelectionName, MassOperationStore } from '@certmill/ports';

/** One that is worked on, and one that is looked at again. */
const pagesKept = 2;

type SelectionOf = FrozenSelectionName & Pick<MassOperation, 'frozenBatches'>;

/** A frozen selection, read a page at a time. */
export class FrozenSelection {
  readonly #operations: Pick<MassOperationStore, 'frozenPage'>;
  readonly #of: SelectionOf;
  readonly #kept = new Map<number, readonly FrozenBatch[]>();

  constructor(operations: Pick<MassOperationStore, 'frozenPage'>, of: SelectionOf) {
    this.#operations = operations;
    this.#of = of;
  }

  /** The batch at a position; undefined behind the last one. Faults: FAULT_STORE_CORRUPT where it is not stored. */
  async at(position: number): Promise<FrozenBatch | undefined> {
    if (position >= this.#of.frozenBatches) return undefined;
    const page = Math.floor(position / frozenPageBatches);
    const batch = (await this.#page(page))[position % frozenPageBatches];
    if (batch !== undefined) return batch;
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `batch ${String(position)} of the selection of operation '${this.#of.operationId}' is not stored`,
    );
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
    const batches = await this.#operations.frozenPage(this.#of, page);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= pagesKept && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(page, batches);
    return batches;
  }
}
