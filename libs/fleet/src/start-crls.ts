import { crlPolicyOf, runObservedCrlGeneration } from '@certmill/platform';
import type { CrlSigner, CrlStore, RevocationStore, Stoppable } from '@certmill/ports';
import { jobsOf, promptJobs } from './connections/open-jobs.js';
import type { Trust } from './keys/trust-folder.js';
import type { ServiceContext } from './service-context.js';
import { untilItWorks } from './until-it-works.js';

/**
 * Makes the CRLs of a sign process's issuers, by jobs that all sign processes share: each CRL is made by
 * one of them. It needs Redis, and issuing never waits for it: without Redis in its configuration
 * a process makes none and says so, and while Redis is away CRLs only get older.
 */
export function startCrls(
  context: ServiceContext,
  store: RevocationStore & CrlStore,
  signer: CrlSigner,
  { catalogue }: Pick<Trust, 'catalogue'>,
): Stoppable {
  const { config, clock, logger, metrics, stopping } = context;
  if (config.redis === undefined) {
    logger.info('this process makes no CRLs: there is no redis in its configuration');
    return { stop: () => Promise.resolve() };
  }
  const { what, open } = jobsOf(context, promptJobs);
  const begin = async (): Promise<Stoppable> => {
    const jobs = await open();
    try {
      const generation = await runObservedCrlGeneration(
        {
          ports: { revocations: store, crls: store, signer, clock },
          jobs,
          policy: crlPolicyOf(config.crls),
          issuers: () => catalogue.all,
        },
        logger,
        metrics,
      );
      return {
        async stop(timeoutMs) {
          await generation.stop(timeoutMs);
          await jobs.stop(timeoutMs);
        },
      };
    } catch (error) {
      await jobs.stop(0);
      throw error;
    }
  };
  const begun = untilItWorks(what, begin, logger, stopping).catch((error: unknown) => {
    if (stopping.aborted) return undefined;
    // Issuing goes on; that CRLs get old is for the alert rules to say.
    logger.error({ err: error }, 'no CRLs are made until this service is started again');
    return undefined;
  });
  return {
    async stop(timeoutMs) {
      await (await begun)?.stop(timeoutMs);
    },
  };
}
