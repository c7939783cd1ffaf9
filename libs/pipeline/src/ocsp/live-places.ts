import { CertmillError } from '@certmill/domain';

export interface LiveBounds {
  /** Answers that are made at the same time. */
  readonly atOnce: number;
  /** Certificates that answers which wait for their turn are about: each of them is looked up. */
  readonly certificatesWaiting: number;
}

/** More at once are no faster: one thread signs, one reads. Who waits behind all of these waits for a second. */
const defaultBounds: LiveBounds = { atOnce: 32, certificatesWaiting: 2_048 };

/**
 * The turns of OCSP answers that are signed while their clients wait, of all clients of a process, whatever
 * port they come by: anybody can ask, and each answer is read and signed for.
 */
export class LivePlaces {
  readonly #bounds: LiveBounds;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();
  #underWay = 0;
  #certificatesWaiting = 0;

  constructor(bounds: LiveBounds = defaultBounds) {
    this.#bounds = bounds;
  }

  /**
   * Resolves when it is its turn, to what ends that when disposed; to undefined, at once, when the signal
   * aborts. Faults: FAULT_OVERLOADED where too many wait already.
   *
   * @param certificates That the answer is about.
   */
  take(certificates: number, signal?: AbortSignal): Promise<Disposable | undefined> {
    if (signal?.aborted === true) return Promise.resolve(undefined);
    if (this.#underWay < this.#bounds.atOnce) return Promise.resolve(this.#begin());
    if (this.#certificatesWaiting + certificates > this.#bounds.certificatesWaiting) {
      return Promise.reject(
        new CertmillError('FAULT_OVERLOADED', 'too many OCSP answers are to be signed at once'),
      );
    }
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting.delete(begin);
        this.#certificatesWaiting -= certificates;
        signal?.removeEventListener('abort', giveUp);
      };
      const giveUp = (): void => {
        leave();
        resolve(undefined);
      };
      const begin = (): void => {
        leave();
        resolve(this.#begin());
      };
      this.#waiting.add(begin);
      this.#certificatesWaiting += certificates;
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #begin(): Disposable {
    this.#underWay += 1;
    return {
      [Symbol.dispose]: () => {
        this.#underWay -= 1;
        for (const begin of this.#waiting) {
          begin();
          break;
        }
      },
    };
  }
}
