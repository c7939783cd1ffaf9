import type { Db, MongoClient } from 'mongodb';

/**
 * A client of the driver, and another one in its place once it is of no use.
 *
 * A socket that has ended and not said so yet takes nothing, and never says that it could: the driver
 * (7.9) waits on it without end where it writes at that moment. What waits is the monitor of a server,
 * which no call finds again, or a call, which keeps its connection. Both come of a server that ends all
 * its connections at once, as one does that is killed.
 */
export class RenewedClient {
  readonly #make: () => MongoClient;
  readonly #database: string;
  #client: MongoClient;
  /** Not in use yet. */
  #next: MongoClient | undefined;
  #isClosed = false;

  /** @param make A client that is not connected. Faults: its own. */
  constructor(make: () => MongoClient, database: string) {
    this.#make = make;
    this.#database = database;
    this.#client = make();
  }

  /** Of the client that is in use now: not to be kept. */
  get db(): Db {
    return this.#client.db(this.#database);
  }

  /**
   * Puts another client in place of this one if it gets an answer; what waits for this one ends. One at
   * a time. Resolves to whether it did.
   */
  async renew(): Promise<boolean> {
    if (this.#isClosed || this.#next !== undefined) return false;
    const next = (this.#next = this.#make());
    const isOfUse = await next
      .db(this.#database)
      .command({ ping: 1 })
      .then(
        () => !this.#isClosed,
        () => false,
      );
    const unused = isOfUse ? this.#client : next;
    if (isOfUse) this.#client = next;
    this.#next = undefined;
    // Not waited for: it may be what hangs.
    void unused.close().catch(() => undefined);
    return isOfUse;
  }

  /** Calls that are in hand end with an error of the driver. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#client.close(), this.#next?.close()]);
  }
}
