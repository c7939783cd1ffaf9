interface Point {
  readonly atSeconds: number;
  readonly busySeconds: number;
  readonly ratio: number;
}

/** Two that scrape one after the other share a reading: the time between them says nothing. */
const leastSeconds = 1;

/** Which share of their time sessions were busy between two scrapes. */
export class SaturationMeter {
  readonly #nowSeconds: () => number;
  readonly #points = new Map<string, Point>();

  constructor(nowSeconds: () => number = () => performance.now() / 1000) {
    this.#nowSeconds = nowSeconds;
  }

  /** @param busySeconds summed over the sessions since their start; noted when a chunk ends. */
  ratio(name: string, busySeconds: number, sessions: number): number {
    const atSeconds = this.#nowSeconds();
    const last = this.#points.get(name);
    if (last !== undefined && atSeconds - last.atSeconds < leastSeconds) return last.ratio;
    const capacity = last === undefined ? 0 : (atSeconds - last.atSeconds) * sessions;
    // A chunk that began before the last scrape may bring more than there was time.
    const ratio =
      last === undefined || capacity === 0
        ? 0
        : Math.min(1, Math.max(0, (busySeconds - last.busySeconds) / capacity));
    this.#points.set(name, { atSeconds, busySeconds, ratio });
    return ratio;
  }
}
