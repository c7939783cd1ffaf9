import type { DeliveredRecord, SubscribeOptions } from '@certmill/ports';
import { pause } from './pause.js';
import { outcomeOf, pauseMs, type RetryPolicy } from './retry-policy.js';

export interface HandlingOptions extends Pick<SubscribeOptions, 'handler' | 'onDeadLetter'> {
  readonly policy: RetryPolicy;
  /** Makes a dead letter of a record, durably; resolves to its place. */
  readonly deadLetter: (record: DeliveredRecord, cause: unknown) => Promise<string>;
  /** The consumer stops: nothing is tried again. */
  readonly stop: AbortSignal;
  /** Whether the record is no longer this member's: nothing more is done with it. */
  readonly isDropped: () => boolean;
}

export type Handling =
  /** Its effect is durable, or it is a dead letter. */
  | { readonly kind: 'handled' }
  /** Somebody else gets it again. */
  | { readonly kind: 'returned' }
  | { readonly kind: 'halt'; readonly cause: unknown };

/** Hands one record to its handler, until that succeeds, gives it up or is told to stop. */
export async function handleRecord(
  delivered: DeliveredRecord,
  options: HandlingOptions,
): Promise<Handling> {
  let record = delivered;
  for (let attempt = 1; ; attempt++) {
    let cause: unknown;
    try {
      await options.handler(record);
      return { kind: 'handled' };
    } catch (error) {
      cause = error;
    }
    if (options.isDropped()) return { kind: 'returned' };
    const outcome = outcomeOf(cause, attempt, options.policy);
    if (outcome === 'halt') return { kind: 'halt', cause };
    if (outcome === 'dead-letter' && (await isBuried(record, cause, options))) {
      return { kind: 'handled' };
    }
    // What stays for long keeps its own octets only, not all that was fetched with it.
    if (attempt === 1) record = { ...record, value: Uint8Array.from(record.value) };
    await pause(pauseMs(attempt, options.policy), options.stop);
    if (options.stop.aborted || options.isDropped()) return { kind: 'returned' };
  }
}

/** False where the dead letter is not durable or was told in vain: the record is tried again. */
async function isBuried(
  record: DeliveredRecord,
  cause: unknown,
  { deadLetter, onDeadLetter }: HandlingOptions,
): Promise<boolean> {
  try {
    const place = await deadLetter(record, cause);
    await onDeadLetter?.(record, cause, place);
    return true;
  } catch {
    return false;
  }
}
