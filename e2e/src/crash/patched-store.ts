/** The store with some methods replaced. Its own private fields need the store itself as `this`. */
export function patchedStore<T extends object>(store: T, patch: Partial<T>): T {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(patch, name)) return Reflect.get(patch, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
