import { RefusedCall } from '../problem/refused-call.js';
import { HeldOctets } from './held-octets.js';
import type { HttpConfig } from './http-config.js';
import type { UploadLimits } from './uploaded-items.js';

interface Bounds {
  readonly all: number;
  readonly perTenant: number;
  /** What is counted, in the plural, for people. */
  readonly what: string;
}

/** Calls of one kind under way: one tenant cannot take all places. */
class CallSlots {
  readonly #bounds: Bounds;
  readonly #byTenant = new Map<string, number>();
  #all = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get underWay(): number {
    return this.#all;
  }

  /** Takes a place until disposed; a 429 where there is none. */
  take(tenant: string): Disposable {
    const place = this.tryTake(tenant);
    if (place !== undefined) return place;
    const { what } = this.#bounds;
    throw new RefusedCall(429, `too many ${what} at once; send this one again when one has ended`);
  }

  /** The same, undefined where there is none. */
  tryTake(tenant: string): Disposable | undefined {
    const own = this.#byTenant.get(tenant) ?? 0;
    const { all, perTenant } = this.#bounds;
    if (this.#all >= all || own >= perTenant) return undefined;
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

/** A place among the uploads under way, until disposed, and what its body must keep to. */
export interface UploadSlot extends UploadLimits, Disposable {}

/** Batches and allow-lists that are being uploaded. */
export class UploadSlots extends CallSlots {
  readonly #limits: HttpConfig['limits'];
  readonly #stopping: AbortSignal;
  readonly #imports: CallSlots;

  /** @param stopping aborts when the server stops. */
  constructor(limits: HttpConfig['limits'], stopping: AbortSignal) {
    const { uploadsAtOnce: all, uploadsAtOncePerTenant: perTenant } = limits;
    super({ all, perTenant, what: 'uploads' });
    this.#imports = new CallSlots({
      all: limits.importsAtOnce,
      perTenant: 1,
      what: 'allow-list imports',
    });
    this.#limits = limits;
    this.#stopping = stopping;
  }

  override take(tenant: string): UploadSlot {
    const place = super.take(tenant);
    return {
      ...this.#limits,
      stopping: this.#stopping,
      [Symbol.dispose]: () => place[Symbol.dispose](),
    };
  }

  /** The same for an allow-list. */
  takeImport(tenant: string): UploadSlot {
    using places = new DisposableStack();
    places.use(this.#imports.take(tenant));
    const place = places.use(this.take(tenant));
    const taken = places.move();
    return { ...place, [Symbol.dispose]: () => taken.dispose() };
  }
}

/** Single enrolments that wait for their certificate. */
export class EnrolmentSlots extends CallSlots {
  constructor(limits: HttpConfig['limits']) {
    const { enrolmentsAtOnce: all, enrolmentsAtOncePerTenant: perTenant } = limits;
    super({ all, perTenant, what: 'enrolments' });
  }
}

/** CRLs that readers keep in memory, beside those that `Repository` keeps. */
const maxHeldBytes = 64 * 1024 * 1024;

/** Answers of the repository under way; it is open, so they are counted together. */
export class RepositorySlots {
  /** What they keep in memory. */
  readonly held = new HeldOctets(maxHeldBytes);
  readonly #slots: CallSlots;

  constructor(limits: Pick<HttpConfig['limits'], 'repositoryCallsAtOnce'>) {
    const { repositoryCallsAtOnce: all } = limits;
    this.#slots = new CallSlots({ all, perTenant: all, what: 'calls' });
  }

  take(): Disposable {
    return this.#slots.take('');
  }

  tryTake(): Disposable | undefined {
    return this.#slots.tryTake('');
  }
}

/** Each may have 16 KiB of headers and a body as long, and waits for its turn to be signed. */
const maxOcspCalls = 2_048;

/** Calls of OCSP under way beside everything else; it is open, so they are counted together. */
export class OcspSlots {
  readonly #slots = new CallSlots({ all: maxOcspCalls, perTenant: maxOcspCalls, what: 'calls' });

  tryTake(): Disposable | undefined {
    return this.#slots.tryTake('');
  }
}

/** Calls that look at many certificates, those of an order, an issuer or a tenant, before they answer. */
export class WalkSlots extends CallSlots {
  constructor(limits: HttpConfig['limits']) {
    const { walksAtOnce: all, walksAtOncePerTenant: perTenant } = limits;
    super({ all, perTenant, what: 'calls that look at many certificates' });
  }
}

/**
 * Profiles that are read and admitted. One may have the thread for 0.1 s at a time, and those that arrive together have it
 * one after the other; people send one at a time.
 */
export class ProfileSlots extends CallSlots {
  constructor() {
    super({ all: 8, perTenant: 2, what: 'new profiles' });
  }
}

/** Results that are sent, and followers of events; their connections may last as long as a batch. */
export class DownloadSlots extends CallSlots {
  constructor(limits: HttpConfig['limits']) {
    const { downloadsAtOnce: all, downloadsAtOncePerTenant: perTenant } = limits;
    super({ all, perTenant, what: 'downloads' });
  }
}
