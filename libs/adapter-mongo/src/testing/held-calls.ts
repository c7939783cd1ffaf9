import type { AroundCall } from '../connection/driver-calls.js';

interface Held {
  readonly step: string;
  readonly isReached: PromiseWithResolvers<undefined>;
  readonly isReleased: PromiseWithResolvers<undefined>;
}

/** Around the calls of a store of which one is held before its effect until the test lets it go on. */
export class HeldCalls {
  readonly #held: Held[] = [];

  /** Of the next call with this step. */
  hold(step: string): { readonly reached: Promise<unknown>; readonly release: () => void } {
    const isReached = Promise.withResolvers<undefined>();
    const isReleased = Promise.withResolvers<undefined>();
    this.#held.push({ step, isReached, isReleased });
    return {
      reached: isReached.promise,
      release: () => {
        isReleased.resolve(undefined);
      },
    };
  }

  readonly around: AroundCall = async (step, call) => {
    const at = this.#held.findIndex((held) => held.step === step);
    const [held] = at < 0 ? [] : this.#held.splice(at, 1);
    held?.isReached.resolve(undefined);
    await held?.isReleased.promise;
    return call();
  };
}
