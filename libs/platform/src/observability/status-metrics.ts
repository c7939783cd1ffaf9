import type { OcspAnswer } from '@certmill/pipeline';
import type { FaultCode } from '@certmill/domain';
import { Counter, type Registry } from 'prom-client';

const kinds: readonly OcspAnswer['kind'][] = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  'unauthorized',
];

/** What a validation authority tells. */
export class StatusMetrics {
  readonly #answers: Counter<'answer'>;
  readonly #faults: Counter<'code'>;
  #readCached: (() => number) | undefined;
  #cachedTold = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#answers = new Counter({
      name: 'certmill_status_answers_total',
      help: 'Answers about the status of certificates: cached, or what OCSP says.',
      labelNames: ['answer'],
      registers,
      collect: () => this.#tellCached(),
    });
    this.#faults = new Counter({
      name: 'certmill_status_faults_total',
      help: 'OCSP requests that could not be answered, and responders not renewed, by fault code.',
      labelNames: ['code'],
      registers,
    });
    for (const answer of [...kinds, 'cached']) this.#answers.inc({ answer }, 0);
  }

  answered(answer: OcspAnswer['kind']): void {
    this.#answers.inc({ answer });
  }

  fault(code: FaultCode): void {
    this.#faults.inc({ code });
  }

  /** @param read counts from the start, and may begin again at 2^32. */
  cached(read: () => number): void {
    this.#readCached = read;
  }

  #tellCached(): void {
    const now = this.#readCached?.() ?? 0;
    this.#answers.inc({ answer: 'cached' }, (now - this.#cachedTold) >>> 0);
    this.#cachedTold = now;
  }
}
