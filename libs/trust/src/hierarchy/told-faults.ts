import type { CertmillError } from '@certmill/domain';

/** Between two times that one and the same fault is told. */
const pauseMs = 60_000;

/** Faults of folders that are looked at every second: each is told once, and again while it stays. */
export class ToldFaults {
  readonly #elapsedMs: () => number;
  readonly #told = new Map<string, { readonly message: string; readonly atMs: number }>();
  #onFault: (error: CertmillError) => void = () => undefined;

  /** @param elapsedMs milliseconds that only grow. */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  tellTo(onFault: (error: CertmillError) => void): void {
    this.#onFault = onFault;
  }

  /** @param name of the folder. */
  tell(name: string, error: CertmillError): void {
    const atMs = this.#elapsedMs();
    const before = this.#told.get(name);
    if (before?.message === error.message && atMs - before.atMs < pauseMs) return;
    this.#told.set(name, { message: error.message, atMs });
    this.#onFault(error);
  }

  /** It is over: the next one is news. */
  clear(name: string): void {
    this.#told.delete(name);
  }
}
