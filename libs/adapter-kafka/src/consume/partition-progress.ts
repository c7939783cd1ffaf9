/** A record's place in the progress of its partition. */
export interface Progress {
  readonly offset: number;
  isDone: boolean;
}

/**
 * A group's way through one partition, as long as this member has it: what is queued or in hand, and the
 * offset below which nothing is unfinished. Offsets may have gaps.
 */
export class PartitionProgress {
  readonly partition: number;
  /** Taken and not yet below the offset to commit, in the order of their offsets. */
  readonly #open: Progress[] = [];
  #doneAhead = 0;
  #next: number | undefined;
  #committed: number | undefined;
  #isRevoked = false;

  constructor(partition: number) {
    this.partition = partition;
  }

  /** The partition is another member's now, or may be: what is said of its records no longer counts. */
  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  /** How many are done behind one that is in hand: they are kept, for they cannot be committed. */
  get doneAhead(): number {
    return this.#doneAhead;
  }

  revoke(): void {
    this.#isRevoked = true;
    this.#open.length = 0;
    this.#doneAhead = 0;
  }

  /** Takes a record in; undefined where it has been taken before, as after a rebalance. */
  take(offset: number): Progress | undefined {
    if (this.#next !== undefined && offset < this.#next) return undefined;
    this.#next = offset + 1;
    this.#committed ??= offset;
    const taken = { offset, isDone: false };
    this.#open.push(taken);
    return taken;
  }

  done(taken: Progress): void {
    if (this.#isRevoked) return;
    taken.isDone = true;
    this.#doneAhead++;
    let count = 0;
    while (this.#open[count]?.isDone === true) count++;
    if (count === 0) return;
    this.#open.splice(0, count);
    this.#doneAhead -= count;
  }

  /** What is to be committed: everything below is done. Undefined where that is committed already. */
  get committable(): number | undefined {
    const lowest = this.#open[0]?.offset ?? this.#next;
    const isNew = lowest !== undefined && lowest > (this.#committed ?? -1);
    return isNew && !this.#isRevoked ? lowest : undefined;
  }

  committed(offset: number): void {
    this.#committed = Math.max(offset, this.#committed ?? 0);
  }
}
