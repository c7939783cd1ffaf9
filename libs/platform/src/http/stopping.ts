import { CertmillError } from '@certmill/domain';

/** Told once, when the server stops: uploads and followers end in order instead of being cut. */
export class Stopping {
  readonly #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  begin(): void {
    this.#controller.abort();
  }
}

export function stoppingFault(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the server is stopping; go on when it is back');
}
