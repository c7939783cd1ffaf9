import { stopping } from './driver-calls.js';

/** Counts the calls of a store that are under way, so that it can stop after them. */
export class CallsInHand {
  readonly #calls = new Set<Promise<unknown>>();
  #isStopping = false;

  /** Faults: FAULT_STOPPING, once `stop` was called. */
  run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isStopping) return Promise.reject(stopping());
    const running = call();
    this.#calls.add(running);
    const forget = (): void => {
      this.#calls.delete(running);
    };
    running.then(forget, forget);
    return running;
  }

  /** Takes nothing new; resolves when nothing is left, or after the time. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.allSettled(this.#calls), late]);
    clearTimeout(timer);
  }
}
