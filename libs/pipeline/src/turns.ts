import { setImmediate as nextTurn } from 'node:timers/promises';

const turnMs = 10;

/** Turns of what takes long and is of who asks: others of the thread get theirs in between. */
export class Turns {
  #sinceMs = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#sinceMs >= turnMs;
  }

  /** Resolves at once, or where the turn is over with the next. */
  async next(): Promise<void> {
    if (!this.isOver) return;
    await nextTurn();
    this.#sinceMs = performance.now();
  }
}
