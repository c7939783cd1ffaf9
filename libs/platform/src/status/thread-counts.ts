/** Answers by where threads of the status face had them; each count begins again at 2^32. */
export interface AnswersOfThreads {
  /** Kept from before. */
  readonly cached: number;
  /** Read where it was signed ahead. */
  readonly read: number;
}

const places = { cached: 0, read: 1 } as const;

/** Counted by threads, read by the main one. */
export class ThreadCounts {
  readonly shared: SharedArrayBuffer;
  readonly #counts: Int32Array;

  constructor(shared = new SharedArrayBuffer(8)) {
    this.shared = shared;
    this.#counts = new Int32Array(shared);
  }

  count(what: keyof AnswersOfThreads): void {
    Atomics.add(this.#counts, places[what], 1);
  }

  read(): AnswersOfThreads {
    const of = (what: keyof AnswersOfThreads): number =>
      Atomics.load(this.#counts, places[what]) >>> 0;
    return { cached: of('cached'), read: of('read') };
  }
}
