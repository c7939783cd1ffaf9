import type { ProgressState } from './progress.js';

/** The rate follows the last seconds: a resumed upload or a slow start does not spoil the ETA. */
const windowMs = 10_000;
/** Marks are kept this far apart, so that their number stays small. */
const markGapMs = 250;

/** Rate and time left, from the states as they come. */
export class Pace {
  readonly #marks: { readonly atMs: number; readonly done: number }[] = [];

  /** @param nowMs of a monotonic clock. */
  note(state: ProgressState, nowMs: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.atMs < markGapMs) return;
    this.#marks.push({ atMs: nowMs, done: state.done });
    while (this.#marks.length > 2 && nowMs - (this.#marks[0]?.atMs ?? nowMs) > windowMs) {
      this.#marks.shift();
    }
  }

  /** A second; undefined until there is enough to tell. */
  ratePerSecond(state: ProgressState, nowMs: number): number | undefined {
    const first = this.#marks[0];
    if (first === undefined || nowMs - first.atMs < markGapMs) return undefined;
    return ((state.done - first.done) * 1000) / (nowMs - first.atMs);
  }

  secondsLeft(state: ProgressState, nowMs: number): number | undefined {
    const rate = this.ratePerSecond(state, nowMs);
    if (state.total === undefined || rate === undefined || rate <= 0) return undefined;
    return Math.max(0, state.total - state.done) / rate;
  }
}
