/**
 * Jest runs tests in a realm of its own, where errors of node:fs are no `instanceof Error`; the
 * product has one realm. This makes Error take both, and leaves its subclasses as they are.
 */
const byPrototype = Function.prototype[Symbol.hasInstance];

Object.defineProperty(Error, Symbol.hasInstance, {
  configurable: true,
  value(this: unknown, value: unknown): boolean {
    return this === Error
      ? Object.prototype.toString.call(value) === '[object Error]'
      : byPrototype.call(this as typeof Error, value);
  },
});

export {};
