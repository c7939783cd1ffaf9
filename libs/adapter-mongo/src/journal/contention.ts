import { setTimeout as delay } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import { maxRequestsPerEntry } from './journal-entry.js';

/** The least that one entry is made for where others keep coming first; a larger chunk goes alone. */
const leastRequests = 256;
/** Others being first this often in a row is no bad luck any more. */
const maxLosses = 100;
const longestPauseMs = 50;
/** Whoever came first is busy judging its next group: an enrolment is in before that. */
const longestUrgentPauseMs = 2;

/**
 * How a process behaves among others that insert into the same journal. A large group takes long to
 * judge, and whoever judges a single enrolment is faster every time: each loss halves the group.
 */
export class Contention {
  readonly #random: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  #requests = maxRequestsPerEntry;
  /** In a row. */
  #losses = 0;

  /** @param random 0 to 1. */
  constructor(random: () => number, pause: (ms: number) => Promise<unknown> = (ms) => delay(ms)) {
    this.#random = random;
    this.#pause = pause;
  }

  get requestsPerEntry(): number {
    return this.#requests;
  }

  won(): void {
    this.#losses = 0;
    this.#requests = Math.min(maxRequestsPerEntry, this.#requests * 2);
  }

  /**
   * Pauses, the longer the more often, but never long for urgent calls.
   * Faults: FAULT_OVERLOADED after very many times.
   */
  async lost(isUrgent: boolean): Promise<void> {
    this.#losses += 1;
    this.#requests = Math.max(leastRequests, this.#requests / 2);
    if (this.#losses > maxLosses) {
      this.#losses = 0;
      throw new CertmillError('FAULT_OVERLOADED', 'other processes keep coming first');
    }
    const longestMs = isUrgent ? longestUrgentPauseMs : longestPauseMs;
    const pauseMs = this.#random() * Math.min(longestMs, 2 ** (this.#losses - 2));
    // The first time the reading of what the other inserted is pause enough.
    if (pauseMs >= 1) await this.#pause(pauseMs);
  }
}
