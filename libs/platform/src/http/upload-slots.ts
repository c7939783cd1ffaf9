import { RefusedCall } from '../problem/refused-call.js';
import type { HttpConfig } from './http-config.js';

type Limits = Pick<HttpConfig['limits'], 'uploadsAtOnce' | 'uploadsAtOncePerTenant'>;

/** Uploads under way: one tenant cannot take all of them. */
export class UploadSlots {
  readonly #limits: Limits;
  readonly #byTenant = new Map<string, number>();
  #all = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get underWay(): number {
    return this.#all;
  }

  /** Takes a place until disposed; a 429 where there is none. */
  take(tenant: string): Disposable {
    const own = this.#byTenant.get(tenant) ?? 0;
    const { uploadsAtOnce, uploadsAtOncePerTenant } = this.#limits;
    if (this.#all >= uploadsAtOnce || own >= uploadsAtOncePerTenant) {
      throw new RefusedCall(
        429,
        'too many uploads at once; send this one again when one has ended',
      );
    }
    this.#all++;
    this.#byTenant.set(tenant, own + 1);
    return {
      [Symbol.dispose]: () => {
        this.#all--;
        const left = (this.#byTenant.get(tenant) ?? 1) - 1;
        if (left === 0) this.#byTenant.delete(tenant);
        else this.#byTenant.set(tenant, left);
      },
    };
  }
}
