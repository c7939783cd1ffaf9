import { countByItself, countByTurns, type CountPorts } from '@certmill/pipeline';
import { observeCounts } from '@certmill/platform';
import type { Stoppable } from '@certmill/ports';
import { jobsOf } from './connections/open-jobs.js';
import type { ServiceContext } from './service-context.js';
import { untilItWorks } from './until-it-works.js';

/**
 * Counts what devices are to renew: one ingest at a time, as soon as Redis is there; without Redis in the
 * configuration each by itself.
 */
export function countDevices(context: ServiceContext, ports: CountPorts): Stoppable {
  const { config, logger, metrics, stopping } = context;
  const observer = observeCounts(logger, metrics);
  if (config.redis === undefined) return countByItself(ports, observer);
  const { what, open } = jobsOf(context);
  const begin = async (): Promise<Stoppable> => {
    const queue = await open();
    try {
      const counting = await countByTurns(ports, queue, observer);
      return {
        async stop(timeoutMs) {
          await counting.stop(timeoutMs);
          await queue.stop(timeoutMs);
        },
      };
    } catch (error) {
      await queue.stop(0);
      throw error;
    }
  };
  const begun = untilItWorks(what, begin, logger, stopping).catch((error: unknown) => {
    if (stopping.aborted) return undefined;
    const message = 'what devices are to renew is not counted until this service is started again';
    logger.error({ err: error }, message);
    return undefined;
  });
  return {
    async stop(timeoutMs) {
      await (await begun)?.stop(timeoutMs);
    },
  };
}
