import { outcomeOf, pauseMs, type RetryPolicy } from '@certmill/domain';
import type { DeliveredRecord, SubscribeOptions } from '@certmill/ports';

export interface HandlingOptions extends Pick<SubscribeOptions, 'handler' | 'onDeadLetter'> {
  readonly policy: RetryPolicy;
  /** Makes a dead letter of a record, durably; resolves to its place. */
  readonly deadLetter: (record: DeliveredRecord, cause: unknown) => Promise<string>;
  /** The record must go, but cannot yet: its dead letter is not durable, or was told in vain. Once. */
  readonly onBurialFailed: (record: DeliveredRecord, cause: unknown) => void;
  /** Resolves when the record may be tried again, after such a pause at least, or when the consumer stops. */
  readonly rest: (ms: number) => Promise<void>;
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

/** A dead letter that is durable and must still be told. */
interface DeadLetter {
  readonly cause: unknown;
  readonly place: string;
}

/** A record in hand. Nobody else refers to it, so that what it was fetched with can go. */
export interface Delivery {
  record: DeliveredRecord;
}

/** Hands one record to its handler, until that succeeds, gives it up or is told to stop. */
export async function handleRecord(
  delivery: Delivery,
  options: HandlingOptions,
): Promise<Handling> {
  const { policy, stop } = options;
  let dead: DeadLetter | undefined;
  let isObserved = false;
  for (let attempt = 1; ; attempt++) {
    // What is dead stays dead: its dead letter is there already.
    const failure = dead ?? (await failureOf(delivery.record, options.handler));
    if (failure === undefined) return { kind: 'handled' };
    if (options.isDropped()) return { kind: 'returned' };
    const { cause } = failure;
    const outcome = dead === undefined ? outcomeOf(cause, attempt, policy) : 'dead-letter';
    if (outcome === 'halt') return { kind: 'halt', cause };
    if (outcome === 'dead-letter') {
      try {
        dead ??= { cause, place: await options.deadLetter(delivery.record, cause) };
        await options.onDeadLetter?.(delivery.record, cause, dead.place);
        return { kind: 'handled' };
      } catch (error) {
        if (outcomeOf(error, 1, policy) === 'halt') return { kind: 'halt', cause: error };
        if (!isObserved) options.onBurialFailed(delivery.record, error);
        isObserved = true;
      }
    }
    // What stays for long keeps its own octets only, not all that was fetched with it.
    if (attempt === 1) delivery.record = ownRecord(delivery.record);
    await options.rest(pauseMs(attempt, policy));
    if (stop.aborted || options.isDropped()) return { kind: 'returned' };
  }
}

function ownRecord(record: DeliveredRecord): DeliveredRecord {
  return { ...record, value: Uint8Array.from(record.value) };
}

/** Undefined where it succeeds; what it rejects with may be anything. */
async function failureOf(
  record: DeliveredRecord,
  handler: HandlingOptions['handler'],
): Promise<{ readonly cause: unknown } | undefined> {
  try {
    await handler(record);
    return undefined;
  } catch (cause) {
    return { cause };
  }
}
