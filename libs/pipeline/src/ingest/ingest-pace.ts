import { setTimeout as sleep } from 'node:timers/promises';

/** While single enrolments are about, bulk requests are read no faster, whoever uploads them. */
const msPerRequest = 10 / 256;
/** How long an enrolment tells that more will come. */
const enrolmentsForMs = 1_000;

/**
 * Keeps bulk uploads from taking the event loop for themselves. Reading is several times as fast as
 * signing, so a batch loses nothing, and each of an enrolment's steps finds the loop free.
 */
export class IngestPace {
  readonly #monotonicMs: () => number;
  #enrolmentsUntil = -Infinity;
  #nextTurnAt = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  noteEnrolment(): void {
    this.#enrolmentsUntil = this.#monotonicMs() + enrolmentsForMs;
  }

  /**
   * Resolves when a bulk upload may make its next chunk, of so many requests: at once where no enrolment
   * is about.
   */
  async turn(requests: number): Promise<void> {
    const now = this.#monotonicMs();
    if (now >= this.#enrolmentsUntil) return;
    const at = Math.max(now, this.#nextTurnAt);
    this.#nextTurnAt = at + requests * msPerRequest;
    if (at > now) await sleep(at - now);
  }
}
