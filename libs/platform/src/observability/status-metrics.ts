import type { OcspAnswer } from '@certmill/pipeline';
import type { FaultCode } from '@certmill/domain';
import { Counter, type Registry } from 'prom-client';
import type { AnswersOfThreads } from '../status/thread-counts.js';

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
  #ofThreads: (() => AnswersOfThreads) | undefined;
  #told: AnswersOfThreads = { cached: 0, read: 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    this.#answers = new Counter({
      name: 'certmill_status_answers_total',
      help: 'Answers about the status of certificates: cached, or what OCSP says.',
      labelNames: ['answer'],
      registers,
      collect: () => this.#tellThreads(),
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

  /** What threads answer by themselves counts too. */
  threads(read: () => AnswersOfThreads): void {
    this.#ofThreads = read;
  }

  #tellThreads(): void {
    const now = this.#ofThreads?.() ?? this.#told;
    this.#answers.inc({ answer: 'cached' }, (now.cached - this.#told.cached) >>> 0);
    this.#answers.inc({ answer: 'successful' }, (now.read - this.#told.read) >>> 0);
    this.#told = now;
  }
}
