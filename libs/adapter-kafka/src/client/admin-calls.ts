import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import type { Admin } from 'kafkajs';
import { isTransient, kafkaFault, kafkaRefusal } from './kafka-fault.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { createKafka, openPlainSocket } from './create-kafka.js';
import { Sockets } from './sockets.js';
import { stopping } from './stopping.js';
import { within } from './within.js';

const maxAttempts = 4;
const firstPauseMs = 100;
const callTimeoutMs = 20_000;
const closeTimeoutMs = 5_000;

/** A client, and how many ask by it now: the failure of one call does not close it under the others. */
interface Client {
  readonly admin: Promise<Admin>;
  readonly sockets: Sockets;
  users: number;
}

/** A connection for questions about the cluster, made when it is needed and anew after a failure. */
export class AdminCalls {
  readonly #options: KafkaConnectionOptions;
  readonly #clients = new Set<Client>();
  #current: Client | undefined;
  #isStopped = false;

  constructor(options: KafkaConnectionOptions) {
    this.#options = options;
  }

  /**
   * MUST be a call that may be repeated. Throws FAULT_BUS_DOWN: it has not been answered in time;
   * CONFIG_INVALID: brokers and client do not accept each other.
   */
  async call<T>(what: string, act: (admin: Admin) => Promise<T>): Promise<T> {
    const late = new CertmillError('FAULT_BUS_DOWN', `${what}: the brokers do not answer`);
    const givingUp = new AbortController();
    const answer = this.#tryOften(act, givingUp.signal);
    try {
      if (!(await within(callTimeoutMs, answer))) {
        givingUp.abort();
        throw late;
      }
      return await answer;
    } catch (error) {
      throw (
        kafkaRefusal(what, error) ??
        kafkaFault(`${what}: the brokers do not answer as they should`, error)
      );
    }
  }

  /** What is still asked fails. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#current = undefined;
    await Promise.all([...this.#clients].map((client) => this.#close(client)));
  }

  /** @param givenUp Nobody waits for the answer any more. */
  async #tryOften<T>(act: (admin: Admin) => Promise<T>, givenUp: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#isStopped) throw stopping();
      const client = (this.#current ??= this.#connect());
      client.users += 1;
      // What has hung for one call would hang for the next.
      const letGo = (): void => this.#letGo(client);
      givenUp.addEventListener('abort', letGo);
      try {
        return await act(await this.#connected(client));
      } catch (error) {
        if (isTransient(error)) letGo();
        if (attempt >= maxAttempts || givenUp.aborted || !isTransient(error)) throw error;
      } finally {
        givenUp.removeEventListener('abort', letGo);
        client.users -= 1;
        if (client.users === 0 && this.#current !== client) void this.#close(client);
      }
      await sleep(firstPauseMs * 2 ** attempt);
    }
  }

  #connect(): Client {
    const sockets = new Sockets(this.#options.openSocket ?? openPlainSocket);
    const admin = createKafka({ ...this.#options, openSocket: sockets.open }).admin();
    const client = { admin: admin.connect().then(() => admin), sockets, users: 0 };
    this.#clients.add(client);
    return client;
  }

  async #connected(client: Client): Promise<Admin> {
    try {
      return await client.admin;
    } catch (error) {
      this.#letGo(client);
      throw error;
    }
  }

  /** The next call makes another. */
  #letGo(client: Client): void {
    if (this.#current === client) this.#current = undefined;
  }

  async #close(client: Client): Promise<void> {
    await within(
      closeTimeoutMs,
      client.admin.then((admin) => admin.disconnect()),
    );
    client.sockets.close(this.#isStopped ? stopping() : undefined);
    this.#clients.delete(client);
  }
}
