import { CertmillError } from '@certmill/domain';
import type { HttpConfig } from './http-config.js';

/** Uploads under way: one tenant cannot take all of them. */
export class UploadSlots {
  readonly limits: HttpConfig['limits'];
  readonly #byTenant = new Map<string, number>();
  #all = 0;

  constructor(limits: HttpConfig['limits']) {
    this.limits = limits;
  }

  /** Takes a place until disposed; TooManyUploads (429) where there is none. */
  take(tenant: string): Disposable {
    const own = this.#byTenant.get(tenant) ?? 0;
    const { uploadsAtOnce, uploadsAtOncePerTenant } = this.limits;
    if (this.#all >= uploadsAtOnce || own >= uploadsAtOncePerTenant) {
      throw new TooManyUploads();
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

/** 429: not a fault and not a rejection, nothing was taken; try again in a moment. */
export class TooManyUploads extends CertmillError {
  readonly statusCode = 429;

  constructor() {
    super('FAULT_OVERLOADED', 'too many uploads at once; wait for one to end and send this one again');
  }
}
