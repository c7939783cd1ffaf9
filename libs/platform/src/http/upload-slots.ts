import { RefusedCall } from '../problem/refused-call.js';
import type { HttpConfig } from './http-config.js';
import type { UploadLimits } from './uploaded-items.js';

/** A place among the uploads under way, until disposed, and what its body must keep to. */
export interface UploadSlot extends UploadLimits, Disposable {}

/** Uploads under way: one tenant cannot take all of them. */
export class UploadSlots {
  readonly #limits: HttpConfig['limits'];
  readonly #stopping: AbortSignal;
  readonly #byTenant = new Map<string, number>();
  #all = 0;

  /** @param stopping aborts when the server stops. */
  constructor(limits: HttpConfig['limits'], stopping: AbortSignal) {
    this.#limits = limits;
    this.#stopping = stopping;
  }

  get underWay(): number {
    return this.#all;
  }

  /** A 429 where there is no place. */
  take(tenant: string): UploadSlot {
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
      ...this.#limits,
      stopping: this.#stopping,
      [Symbol.dispose]: () => {
        this.#all--;
        const left = (this.#byTenant.get(tenant) ?? 1) - 1;
        if (left === 0) this.#byTenant.delete(tenant);
        else this.#byTenant.set(tenant, left);
      },
    };
  }
}
