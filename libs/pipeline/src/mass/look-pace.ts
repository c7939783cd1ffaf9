/** Of ten parts of an operation's time, nine are rest from what it looks at again and again. */
const restsPerLook = 9;
/** So that what ends is not left for longer, however long a look takes. */
const longestRestMs = 300_000;

/**
 * How long an operation rests between looks at what it waits for: longer where a look takes long. What is on its
 * way may be dead letters, for days, and what is looked at is a selection of any size.
 */
export class LookPace {
  #spentMs = 0;

  /** Notes the time that a look took, or a part of one that goes on with the next turn. */
  spent(ms: number): void {
    this.#spentMs += ms;
  }

  /** How long to rest from a look that is over. */
  restMs(leastMs: number): number {
    const ms = Math.max(leastMs, Math.min(longestRestMs, restsPerLook * this.#spentMs));
    this.#spentMs = 0;
    return ms;
  }
}
