import { CertmillError } from '@certmill/domain';
import { processMassJobs, type MassPorts } from '@certmill/pipeline';
import { observeMass } from '@certmill/platform';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { jobsOf } from './connections/open-jobs.js';
import type { ServiceContext } from './service-context.js';
import { untilItWorks } from './until-it-works.js';

/** The queue of mass operations, which ingest processes share: each operation is run by one of them. */
export interface MassQueue {
  /** Absent without Redis in the configuration: operations are refused. */
  readonly jobs?: Pick<JobQueue, 'add'>;
  /** Runs operations as soon as Redis is there; uploads and enrolments never wait for it. */
  run(ports: MassPorts): Stoppable;
}

export function massQueue(context: ServiceContext): MassQueue {
  const { config, logger, stopping } = context;
  if (config.redis === undefined) {
    logger.info('this process refuses mass operations: there is no redis in its configuration');
    return { run: () => ({ stop: () => Promise.resolve() }) };
  }
  const { what, open } = jobsOf(context);
  let opened: JobQueue | undefined;
  const begin = async (ports: MassPorts): Promise<Stoppable> => {
    const queue = await open();
    try {
      const running = await processMassJobs(ports, queue, observeMass(logger));
      opened = queue;
      return {
        async stop(timeoutMs) {
          await running.stop(timeoutMs);
          await queue.stop(timeoutMs);
        },
      };
    } catch (error) {
      await queue.stop(0);
      throw error;
    }
  };
  return {
    jobs: {
      async add(...job) {
        if (opened === undefined) throw new CertmillError('FAULT_BUS_DOWN', `${what} is away`);
        await opened.add(...job);
      },
    },
    run(ports) {
      const begun = untilItWorks(what, () => begin(ports), logger, stopping).catch(
        (error: unknown) => {
          if (stopping.aborted) return undefined;
          const message = 'no mass operation is run until this service is started again';
          logger.error({ err: error }, message);
          return undefined;
        },
      );
      return {
        async stop(timeoutMs) {
          await (await begun)?.stop(timeoutMs);
        },
      };
    },
  };
}
