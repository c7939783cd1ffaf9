/** Who hears how a call of a method ended. MUST NOT throw. */
export interface CallObserver {
  ended(seconds: number, args: readonly unknown[]): void;
  failed?(error: unknown): void;
}

type Method = (...args: unknown[]) => unknown;

/**
 * The same object, with the calls of some methods timed from outside until their promise settles. Every
 * method runs on the object itself, so what it calls of its own is not timed, and private fields work.
 */
export function timed<T extends object>(
  target: T,
  observers: Readonly<Partial<Record<string, CallObserver>>>,
): T {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_target, name) {
      const known = methods.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const observer =
        typeof name === 'string' && Object.hasOwn(observers, name) ? observers[name] : undefined;
      const method =
        observer === undefined
          ? ((value as Method).bind(target) as unknown)
          : timedMethod(target, value as Method, observer);
      methods.set(name, method);
      return method;
    },
  });
}

function timedMethod(target: object, method: Method, observer: CallObserver): Method {
  return (...args) => {
    const begun = performance.now();
    const result = method.apply(target, args);
    if (!isPromise(result)) return result;
    const note = (): void => observer.ended((performance.now() - begun) / 1000, args);
    // The caller gets the promise itself: one that is wrapped would come a turn later.
    result.then(note, (error: unknown) => {
      note();
      observer.failed?.(error);
    });
    return result;
  };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Object && 'then' in value && typeof value.then === 'function';
}
