import { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';
import { recordBytes } from '../client/record-codec.js';
import { stopping } from '../client/stopping.js';
import type { BatchSender } from './batch-sender.js';
import { ByteBudget } from './byte-budget.js';
import type { PendingRecord } from './pending-records.js';

/** What an appender asks of where it sends. */
export type Sender = Pick<BatchSender, 'send'>;

export interface RecordAppenderOptions {
  readonly senderOf: (topic: string) => Sender;
  readonly maxRecordBytes: number;
  /** What a record that is appended alone may have above it. */
  readonly overheadBytes: number;
  /** Octets of records that are not answered; appends beyond wait. */
  readonly maxWaitingBytes: number;
  /** How long an append lasts at most, its wait for room included. */
  readonly timeoutMs: number;
}

/** Appends records: refuses what is too large, bounds what waits, and ends each append in time. */
export class RecordAppender {
  readonly #options: RecordAppenderOptions;
  readonly #budget: ByteBudget;
  readonly #open = new Set<PendingRecord>();
  readonly #idle: (() => void)[] = [];
  #isStopping = false;

  constructor(options: RecordAppenderOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.maxWaitingBytes);
  }

  /** Octets of the appends that are not answered and not waiting for room. */
  get waitingBytes(): number {
    return this.#budget.used;
  }

  append(topic: string, record: EventRecord): Promise<void> {
    return this.#append(topic, record, false).then(ignore);
  }

  /** Appends a record by itself and tells its place. */
  async appendAlone(topic: string, record: EventRecord): Promise<string> {
    const place = await this.#append(topic, record, true);
    if (place !== undefined) return place;
    throw new CertmillError('FAULT_BUS_DOWN', `the brokers do not say where in ${topic} it is`);
  }

  /** Takes nothing new and waits for what is under way; the rest ends with FAULT_STOPPING. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    for (const pending of this.#open) pending.reject(stopping());
  }

  #append(topic: string, record: EventRecord, isAlone: boolean): Promise<string | undefined> {
    const { senderOf } = this.#options;
    if (this.#isStopping) return Promise.reject(stopping());
    const bytes = recordBytes(record);
    const maxRecordBytes =
      this.#options.maxRecordBytes + (isAlone ? this.#options.overheadBytes : 0);
    if (bytes > maxRecordBytes) {
      const message = `a record for ${topic} is over the limit of ${maxRecordBytes} octets`;
      return Promise.reject(new CertmillError('INVALID_INPUT', message));
    }
    return new Promise((resolve, reject) => {
      let giveBack = (): void => undefined;
      const settle = (answer: () => void): void => {
        if (pending.record === undefined) return;
        pending.record = undefined;
        clearTimeout(timer);
        giveBack();
        this.#open.delete(pending);
        answer();
        if (this.#open.size === 0) for (const idle of this.#idle.splice(0)) idle();
      };
      const pending: PendingRecord = {
        topic,
        partition: undefined,
        record,
        bytes,
        isAlone,
        resolve: (place) => {
          settle(() => resolve(place));
        },
        reject: (fault) => {
          settle(() => reject(fault));
        },
      };
      const timer = setTimeout(() => {
        const message = `the brokers have not taken a record for ${topic} in time`;
        pending.reject(new CertmillError('FAULT_BUS_DOWN', message));
      }, this.#options.timeoutMs);
      this.#open.add(pending);
      const send = (): void => {
        giveBack = () => this.#budget.give(bytes);
        senderOf(topic).send(pending);
      };
      if (this.#budget.tryTake(bytes)) send();
      else giveBack = this.#budget.takeLater(bytes, send);
    });
  }
}

function ignore(): void {
  // Places are told of dead letters only.
}
