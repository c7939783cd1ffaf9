import type { EmbeddedStore } from '@certmill/adapter-embedded';

/** The methods that a test puts in the place of the store's own. */
export type StorePatch = {
  readonly [Name in keyof EmbeddedStore]?: EmbeddedStore[Name];
};

/** The store with some methods replaced. Its own private fields need the store itself as `this`. */
export function patchedStore(store: EmbeddedStore, patch: StorePatch): EmbeddedStore {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(patch, name)) return Reflect.get(patch, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
