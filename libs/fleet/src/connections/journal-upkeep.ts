import type { Stoppable } from '@certmill/ports';
import type { ServiceContext } from '../service-context.js';

const snapshotIntervalMs = 30_000;
const followIntervalMs = 1_000;

/**
 * From time to time stores what the journal of decisions comes to, so that a process which begins need
 * not read all of it. Every validate process does; where two meet, one is refused and nothing is lost.
 */
export function snapshotJournal(
  { logger }: Pick<ServiceContext, 'logger'>,
  store: { snapshotJournal(): Promise<number> },
): Stoppable {
  return repeated(snapshotIntervalMs, async () => {
    try {
      const snapshots = await store.snapshotJournal();
      if (snapshots > 0) logger.info({ snapshots }, 'stored snapshots of the journal');
    } catch (error) {
      logger.warn({ err: error }, 'no snapshot of the journal: tried again later');
    }
  });
}

/**
 * Keeps up with the decisions of all other processes, also while nobody asks for any: the next enrolment
 * need not wait until all is read that bulk has decided since the one before.
 */
export function followJournal(store: { followJournal(): Promise<void> }): Stoppable {
  // Whoever asks is told what is wrong.
  return repeated(followIntervalMs, () => store.followJournal().catch(() => undefined));
}

/** `work` MUST NOT reject. It is begun at once, and not again before it has ended. */
function repeated(intervalMs: number, work: () => Promise<void>): Stoppable {
  let working: Promise<void> | undefined;
  const begin = (): void => {
    working ??= work().finally(() => {
      working = undefined;
    });
  };
  begin();
  const timer = setInterval(begin, intervalMs);
  return {
    // What is under way ends with the store.
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}
