import { openKafkaAdmin } from '@certmill/adapter-kafka';
import type { Stoppable } from '@certmill/ports';
import { openJobs } from './connections/open-jobs.js';
import type { ServiceContext } from './service-context.js';
import { kafkaConnection } from './connections/open-log.js';
import { topicReaders } from './topics.js';

const queue = 'upkeep';
/** Every minute one job, whichever of the publish processes puts it there: its id is the minute. */
const intervalMs = 60_000;

/**
 * Timed work of the fleet: removes the records that every group has committed. It needs Redis, and
 * nothing of the main path waits for it: while Redis is away topics only grow.
 */
export async function runUpkeep(context: ServiceContext): Promise<void> {
  const { clock, config, instance, logger, parts } = context;
  const jobs = await openJobs(context);
  const admin = openKafkaAdmin(kafkaConnection(config, `certmill-upkeep-${instance}`));
  parts.push(admin);
  const removeConsumed = async (): Promise<void> => {
    const records = await admin.deleteConsumed(topicReaders);
    logger.debug({ records }, 'removed what every group has committed');
  };
  const worker = await jobs.process(queue, { concurrency: 1, attempts: 3 }, removeConsumed);
  parts.push(worker);
  const plan = (): void => {
    const minute = Math.floor(clock.nowMs() / intervalMs);
    jobs
      .add(queue, { id: `remove-consumed-${String(minute)}`, data: {} })
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'upkeep is not planned: Redis is away');
      });
  };
  const timer = setInterval(plan, intervalMs);
  plan();
  const timers: Stoppable = {
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
  parts.push(timers);
}
