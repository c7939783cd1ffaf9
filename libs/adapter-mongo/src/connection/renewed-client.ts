export interface RenewedClientOptions<C> {
  /** One that is not connected yet. */
  readonly make: () => C;
  /** Resolves once the server has answered by the client. */
  readonly ping: (client: C) => Promise<unknown>;
  /** A ping that takes longer is not waited for. */
  readonly timeoutMs: number;
}

/**
 * A client of the driver, and another one in its place where it is of no use any more.
 *
 * A socket that has ended and not said so yet takes nothing, and never says that it could: the driver
 * (7.9) waits on it without end where it writes at that moment. What waits is the monitor of a server,
 * which no call finds again, or a call, which keeps its connection (ADR 0037).
 */
export class RenewedClient<C extends { close(): Promise<void> }> {
  readonly #options: RenewedClientOptions<C>;
  readonly #retiring = new Set<Promise<void>>();
  #current: C;
  /** Not in use yet. */
  #next: C | undefined;
  #isRenewing = false;
  #isClosed = false;

  constructor(options: RenewedClientOptions<C>) {
    this.#options = options;
    this.#current = options.make();
  }

  /** Not to be kept. */
  get current(): C {
    return this.#current;
  }

  /**
   * Where this client does not answer and another one does, that takes its place, and what waits for this
   * one ends. One at a time. Resolves to whether it was replaced.
   * @param isOfNoUse Asked last: calls may have been answered meanwhile.
   */
  async renew(isOfNoUse: () => boolean): Promise<boolean> {
    if (this.#isClosed || this.#isRenewing) return false;
    this.#isRenewing = true;
    try {
      if (await this.#isAnswering(this.#current)) return false;
      return await this.#replace(isOfNoUse);
    } finally {
      this.#isRenewing = false;
      this.#next = undefined;
    }
  }

  /** Calls that are in hand end with an error of the driver. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#current.close(), this.#next?.close(), this.#retired()]);
  }

  async #replace(isOfNoUse: () => boolean): Promise<boolean> {
    if (this.#isClosed) return false;
    const next = (this.#next = this.#options.make());
    const isReplaced = (await this.#isAnswering(next)) && this.#isOpen() && isOfNoUse();
    this.#retire(isReplaced ? this.#current : next);
    if (isReplaced) this.#current = next;
    return isReplaced;
  }

  #isOpen(): boolean {
    return !this.#isClosed;
  }

  async #isAnswering(client: C): Promise<boolean> {
    const { ping, timeoutMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, timeoutMs, false);
    ping(client).then(
      () => {
        resolve(true);
      },
      () => {
        resolve(false);
      },
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Not waited for by whoever renews: it may be what hangs. */
  #retire(client: C): void {
    const closed = client
      .close()
      .catch(() => undefined)
      .finally(() => this.#retiring.delete(closed));
    this.#retiring.add(closed);
  }

  async #retired(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, this.#options.timeoutMs, undefined);
    await Promise.race([Promise.all(this.#retiring), promise]);
    clearTimeout(timer);
  }
}
