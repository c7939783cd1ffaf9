import { MongoServerError } from 'mongodb';
import { CertmillError } from '@certmill/domain';
import { mongoFault } from './mongo-fault.js';

/** Around each call of the driver; tests make the n-th fail before or after its effect. */
export type AroundCall = <T>(step: string, call: () => Promise<T>) => Promise<T>;

export interface DriverCallsOptions {
  readonly timeoutMs: number;
  readonly around?: AroundCall;
  /** Calls that would change something are not made. */
  readonly isReadOnly?: boolean | undefined;
  /**
   * Told at each call that the server does not answer, once none was answered for `timeoutMs` since the
   * first of them.
   */
  readonly onUnanswered?: () => void;
}

/**
 * The one way to the driver: each call ends within its time, and whatever it throws is classified
 * here. A call that ran out of time may still have its effect.
 */
export class DriverCalls {
  readonly #timeoutMs: number;
  readonly #around: AroundCall;
  readonly #isReadOnly: boolean;
  readonly #onUnanswered: () => void;
  /** When the first call failed of those that nothing has answered since. */
  #unansweredSinceMs: number | undefined;
  #answers = 0;
  /** Ends each call in hand. No promise that outlives the calls: it would keep what all of them answered. */
  readonly #endings = new Set<(cause: CertmillError) => void>();
  #isAbandoned = false;

  constructor(options: DriverCallsOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#around = options.around ?? ((_, call) => call());
    this.#isReadOnly = options.isReadOnly ?? false;
    this.#onUnanswered = options.onUnanswered ?? (() => undefined);
  }

  /** Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL, FAULT_STORE_CORRUPT, FAULT_PROCESSING, FAULT_STOPPING. */
  async run<T>(step: string, call: () => Promise<T>): Promise<T> {
    if (this.#isAbandoned) throw stopping();
    const { promise: ended, reject: end } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      end(new CertmillError('FAULT_STORE_DOWN', `cannot ${step}: no answer in time`));
    }, this.#timeoutMs);
    this.#endings.add(end);
    try {
      const answer = await Promise.race([this.#around(step, call), ended]);
      this.#noteAnswer();
      return answer;
    } catch (error) {
      const fault = this.#faultOf(error, step);
      if (error instanceof MongoServerError) this.#noteAnswer();
      else if (fault.code === 'FAULT_STORE_DOWN') this.#noteFailure();
      throw fault;
    } finally {
      clearTimeout(timer);
      this.#endings.delete(end);
    }
  }

  /** As `run`, for what changes the store. Faults: also CONFLICT where it is opened for reading. */
  async change<T>(step: string, call: () => Promise<T>): Promise<T> {
    if (this.#isReadOnly) {
      throw new CertmillError('CONFLICT', `cannot ${step}: the store is opened for reading`);
    }
    return this.run(step, call);
  }

  /** How many calls the server answered, by an error too. */
  get answers(): number {
    return this.#answers;
  }

  /** What has failed is dealt with. */
  forgetFailures(): void {
    this.#unansweredSinceMs = undefined;
  }

  /** Ends what is in hand and whatever comes with FAULT_STOPPING. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const end of this.#endings) end(stopping());
  }

  #noteAnswer(): void {
    this.#answers += 1;
    this.forgetFailures();
  }

  #noteFailure(): void {
    const nowMs = performance.now();
    this.#unansweredSinceMs ??= nowMs;
    if (nowMs - this.#unansweredSinceMs >= this.#timeoutMs) this.#onUnanswered();
  }

  /** Whatever a call ends with once the connection is closed under it, it is because we stop. */
  #faultOf(error: unknown, step: string): CertmillError {
    return this.#isAbandoned ? stopping() : mongoFault(error, step);
  }
}

export function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the store is stopping');
}
