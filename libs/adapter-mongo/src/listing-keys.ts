import { randomBytes } from 'node:crypto';
import type { Clock } from '@certmill/ports';

/** What a key looks like: lower-case hex digits. */
export const listingKeyPattern = /^[0-9a-f]{26}$/;

/**
 * Keys that sort as their documents were made: 48 bits of time in ms, 24 that count within one ms of
 * this process, 32 of the process. Of two processes the order is that of their clocks; a key that
 * comes late sorts further down a listing, where a reader may still meet it, and takes nothing from
 * the pages before.
 */
export class ListingKeys {
  readonly #clock: Clock;
  readonly #process = randomBytes(4).toString('hex');
  #lastMs = 0;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  next(): string {
    const nowMs = Math.max(this.#clock.nowMs(), this.#lastMs);
    this.#count = nowMs === this.#lastMs ? this.#count + 1 : 0;
    this.#lastMs = nowMs;
    return hex(nowMs, 12) + hex(this.#count, 6) + this.#process;
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
