import type { Stoppable } from '@certmill/ports';
import type { ServiceContext } from '../service-context.js';

const intervalMs = 30_000;

/**
 * From time to time stores what the journal of decisions comes to, so that a process which begins need
 * not read all of it. Every validate process does; where two meet, one is refused and nothing is lost.
 */
export function snapshotJournal(
  { logger }: Pick<ServiceContext, 'logger'>,
  store: { snapshotJournal(): Promise<number> },
): Stoppable {
  let working: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    try {
      const snapshots = await store.snapshotJournal();
      if (snapshots > 0) logger.info({ snapshots }, 'stored snapshots of the journal');
    } catch (error) {
      logger.warn({ err: error }, 'no snapshot of the journal: tried again later');
    } finally {
      working = undefined;
    }
  };
  const timer = setInterval(() => {
    working ??= work();
  }, intervalMs);
  return {
    async stop() {
      clearInterval(timer);
      await working;
    },
  };
}
