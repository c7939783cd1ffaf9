import { CertmillError } from '@certmill/domain';
import { mongoFault } from './mongo-fault.js';

/** Around each call of the driver; tests make the n-th fail before or after its effect. */
export type AroundCall = <T>(step: string, call: () => Promise<T>) => Promise<T>;

export interface DriverCallsOptions {
  readonly timeoutMs: number;
  readonly around?: AroundCall;
}

/**
 * The one way to the driver: each call ends within its time, and whatever it throws is classified
 * here. A call that ran out of time may still have its effect.
 */
export class DriverCalls {
  readonly #timeoutMs: number;
  readonly #around: AroundCall;
  readonly #abandoned = Promise.withResolvers<never>();
  #isAbandoned = false;

  constructor(options: DriverCallsOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#around = options.around ?? ((_, call) => call());
    // Nobody may be waiting when it rejects.
    this.#abandoned.promise.catch(() => undefined);
  }

  /** Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL, FAULT_STORE_CORRUPT, FAULT_PROCESSING, FAULT_STOPPING. */
  async run<T>(step: string, call: () => Promise<T>): Promise<T> {
    if (this.#isAbandoned) throw stopping();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new CertmillError('FAULT_STORE_DOWN', `cannot ${step}: no answer in time`));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([this.#around(step, call), late, this.#abandoned.promise]);
    } catch (error) {
      throw this.#faultOf(error, step);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends what is in hand and whatever comes with FAULT_STOPPING. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#abandoned.reject(stopping());
  }

  /** Whatever a call ends with once the connection is closed under it, it is because we stop. */
  #faultOf(error: unknown, step: string): CertmillError {
    return this.#isAbandoned ? stopping() : mongoFault(error, step);
  }
}

export function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the store is stopping');
}
