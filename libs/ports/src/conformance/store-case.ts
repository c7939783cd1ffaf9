import type { Stores } from './stores-fixture.js';

/** One promise of the store ports (or of `Port`), and a store that breaks it. */
export interface StoreCase<Port extends object = Stores> {
  readonly name: string;
  /**
   * Rejects where the promise is not kept. The tenant is of this run alone.
   * @param patienceMs How long it waits for what must come: a minute where absent.
   */
  run(stores: Port, tenant: string, patienceMs?: number): Promise<void>;
  /** What a plausible bug would make of some calls: `run` MUST reject with it. */
  broken(stores: Port): Partial<Port>;
}

/** The stores with the calls of a broken fake in place of their own. */
export function withBroken<Port extends object>(stores: Port, broken: Partial<Port>): Port {
  return new Proxy(stores, {
    get(target, name) {
      const replaced: unknown = Reflect.get(broken, name);
      if (replaced !== undefined) return replaced;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}
