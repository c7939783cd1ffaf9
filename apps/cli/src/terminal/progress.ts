/** How far something is. All counts are of requests unless the label says otherwise. */
export interface ProgressState {
  readonly done: number;
  readonly rejected?: number;
  /** Absent while unknown. */
  readonly total?: number;
}

/** A running display. Updates are cheap and may come at any rate. */
export interface Progress extends Disposable {
  update(state: ProgressState): void;
  /** Frees the line for other output; the next draw brings it back. */
  clear(): void;
  /** Shows the last state and ends the display. Idempotent. */
  stop(): void;
}

/** No display. */
export const silent: Progress = {
  update: () => undefined,
  clear: () => undefined,
  stop: () => undefined,
  [Symbol.dispose]: () => undefined,
};
