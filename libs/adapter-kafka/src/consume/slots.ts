/**
 * How many records are handled at once. Those that were tried before take half of the slots at most: while
 * what they need is away, others go on.
 */
export class Slots {
  readonly #total: number;
  readonly #forRetries: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #retries = 0;
  /** Of the last slot that was taken: where there is one slot only, they take turns. */
  #wasRetry = false;

  constructor(total: number) {
    this.#total = total;
    this.#forRetries = Math.max(1, Math.floor(total / 2));
  }

  /** For a record that was not tried before. */
  tryTake(): boolean {
    if (this.#taken >= this.#total) return false;
    this.#taken++;
    this.#wasRetry = false;
    return true;
  }

  /** First come, first served; resolves to false, without a slot, when the signal aborts. */
  takeForRetry(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const abort = (): void => {
        const at = this.#waiting.indexOf(take);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(false);
      };
      const take = (): void => {
        signal.removeEventListener('abort', abort);
        this.#taken++;
        this.#retries++;
        this.#wasRetry = true;
        resolve(true);
      };
      if (signal.aborted) {
        resolve(false);
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(take);
      this.#serve();
    });
  }

  give(isRetry: boolean): void {
    this.#taken--;
    if (isRetry) this.#retries--;
    this.#serve();
  }

  /** Whoever gives a slot asks for one by `tryTake` next: that lets the next retry in, too. */
  #isTurnOfOthers(): boolean {
    return this.#total === 1 && this.#wasRetry;
  }

  #serve(): void {
    while (
      this.#taken < this.#total &&
      this.#retries < this.#forRetries &&
      !this.#isTurnOfOthers()
    ) {
      const take = this.#waiting.shift();
      if (take === undefined) return;
      take();
    }
  }
}
