import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import type { Admin } from 'kafkajs';
import { isTransient, kafkaFault, kafkaRefusal } from './kafka-fault.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { createKafka } from './create-kafka.js';
import { stopping } from './stopping.js';
import { within } from './within.js';

const maxAttempts = 4;
const firstPauseMs = 100;
const callTimeoutMs = 20_000;
const closeTimeoutMs = 5_000;

/** A connection for questions about the cluster, made when it is needed and anew after a failure. */
export class AdminCalls {
  readonly #options: KafkaConnectionOptions;
  #admin: Promise<Admin> | undefined;
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
    const abort = new AbortController();
    const answer = this.#tryOften(act, abort.signal);
    try {
      if (!(await within(callTimeoutMs, answer))) throw late;
      return await answer;
    } catch (error) {
      throw (
        kafkaRefusal(what, error) ??
        kafkaFault(`${what}: the brokers do not answer as they should`, error)
      );
    } finally {
      abort.abort();
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#close();
  }

  async #tryOften<T>(act: (admin: Admin) => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#isStopped) throw stopping();
      try {
        return await act(await this.#connected());
      } catch (error) {
        if (attempt >= maxAttempts || signal.aborted || !isTransient(error)) throw error;
        await this.#close();
        await sleep(firstPauseMs * 2 ** attempt);
      }
    }
  }

  #connected(): Promise<Admin> {
    this.#admin ??= this.#connect();
    return this.#admin;
  }

  async #connect(): Promise<Admin> {
    const admin = createKafka(this.#options).admin();
    await admin.connect();
    return admin;
  }

  async #close(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    const closed = admin?.then((connected) => connected.disconnect()) ?? Promise.resolve();
    await within(closeTimeoutMs, closed);
  }
}
