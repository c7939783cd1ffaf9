/**
 * An action of which one run is under way at a time: those that ask meanwhile share the next one, so
 * what they get was begun after they asked.
 */
export class SharedRun<T> {
  readonly #action: () => Promise<T>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(action: () => Promise<T>) {
    this.#action = action;
  }

  run(): Promise<T> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#current.then(() => {
      this.#next = undefined;
      return this.#action();
    });
    this.#next = next;
    this.#current = next.catch(() => undefined);
    return next;
  }
}
