import { setTimeout as sleep } from 'node:timers/promises';
import { openKafkaAdmin } from '@certmill/adapter-kafka';
import type { Stoppable } from '@certmill/ports';
import { openJobs } from './connections/open-jobs.js';
import type { ServiceContext } from './service-context.js';
import { kafkaConnection } from './connections/open-log.js';
import { topicReaders } from './topics.js';

const queue = 'upkeep';
/** Every process puts a job there each minute; those that wait at the same time are one: their id is the minute. */
const intervalMs = 60_000;
/** A Redis that is away holds up a start no longer; one that refuses us has answered by then. */
const patienceMs = 10_000;

/**
 * Timed work of the fleet: removes the records that every group has committed. It needs Redis, and
 * nothing of the main path waits for it, readiness neither: while Redis is away topics only grow.
 * CONFIG_INVALID where Redis is there and does not accept what is configured, or is not accepted.
 */
export async function startUpkeep(context: ServiceContext): Promise<Stoppable> {
  const parts: Stoppable[] = [];
  const opening = openUpkeep(context, parts);
  const settled = opening.catch((error: unknown) => {
    if (context.stopping.aborted) return;
    context.logger.error({ err: error }, 'there is no upkeep: topics grow until it is set right');
  });
  const late = new AbortController();
  try {
    await Promise.race([opening, sleep(patienceMs, undefined, { signal: late.signal })]);
  } finally {
    late.abort();
  }
  return {
    async stop(timeoutMs) {
      // Where Redis never came, the signal that the service stops has ended the waiting.
      await settled;
      for (const part of [...parts].reverse()) await part.stop(timeoutMs);
    },
  };
}

/** @param parts filled with what was opened. */
async function openUpkeep(context: ServiceContext, parts: Stoppable[]): Promise<void> {
  const { clock, config, instance, logger } = context;
  const jobs = await openJobs(context);
  parts.push(jobs);
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
