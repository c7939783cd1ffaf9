import { openKafkaAdmin, type KafkaAdmin } from '@certmill/adapter-kafka';
import { isCertmillError } from '@certmill/domain';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { jobsOf } from './connections/open-jobs.js';
import { kafkaConnection } from './connections/open-log.js';
import type { ServiceContext } from './service-context.js';
import { topicReaders } from './topics.js';
import { untilItWorks } from './until-it-works.js';

const queue = 'upkeep';
/** Every process puts a job there each minute; those that wait at the same time are one: their id is the minute. */
const intervalMs = 60_000;

/**
 * Timed work of the fleet: removes the records that every group has committed. It needs Redis, and
 * nothing of the main path waits for it: a start does so for one try, of a few seconds. While Redis is
 * away topics only grow.
 * CONFIG_INVALID where Redis is there and does not accept what is configured, or is not accepted.
 */
export async function startUpkeep(context: ServiceContext): Promise<Stoppable> {
  const { config, instance, logger, stopping } = context;
  const kafka = kafkaConnection(config, `certmill-upkeep-${instance}`);
  const { what, open } = jobsOf(context);
  const begin = async (): Promise<Stoppable> => {
    const jobs = await open();
    context.without(what, false);
    const admin = openKafkaAdmin(kafka);
    try {
      return inOrder([jobs, admin, await removeRegularly(context, what, jobs, admin)]);
    } catch (error) {
      await inOrder([jobs, admin]).stop(0);
      throw error;
    }
  };
  try {
    return await begin();
  } catch (error) {
    if (!isCertmillError(error) || error.disposition !== 'retry') throw error;
  }
  context.without(what, true);
  const begun = untilItWorks(what, begin, logger, stopping).catch((error: unknown) => {
    if (stopping.aborted) return undefined;
    const message = 'there is no upkeep until this service is started again: topics grow';
    logger.error({ err: error }, message);
    return undefined;
  });
  return {
    async stop(timeoutMs) {
      // Where Redis never came, the signal that the service stops has ended the waiting.
      await (await begun)?.stop(timeoutMs);
    },
  };
}

async function removeRegularly(
  context: ServiceContext,
  redis: string,
  jobs: JobQueue,
  admin: KafkaAdmin,
): Promise<Stoppable> {
  const { clock, logger } = context;
  const worker = await jobs.process(queue, { concurrency: 1, attempts: 3 }, async () => {
    const records = await admin.deleteConsumed(topicReaders);
    logger.debug({ records }, 'removed what every group has committed');
  });
  const plan = (): void => {
    const minute = Math.floor(clock.nowMs() / intervalMs);
    jobs
      .add(queue, { id: `remove-consumed-${String(minute)}`, data: {} })
      .then(() => context.without(redis, false))
      .catch((error: unknown) => {
        context.without(redis, true);
        logger.warn({ err: error }, 'upkeep is not planned: Redis is away');
      });
  };
  const timer = setInterval(plan, intervalMs);
  plan();
  return {
    async stop(timeoutMs) {
      clearInterval(timer);
      await worker.stop(timeoutMs);
    },
  };
}

/** Stops the last first. */
function inOrder(parts: readonly Stoppable[]): Stoppable {
  return {
    async stop(timeoutMs) {
      for (const part of parts.toReversed()) await part.stop(timeoutMs);
    },
  };
}
