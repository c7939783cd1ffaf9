import type { ChunkRef } from '@certmill/domain';
import {
  planPresigning,
  presignedUnder,
  startPresignedRemoval,
  startPresigning,
  type AnswerPorts,
  type ChangeCertificatesPorts,
  type PublishPorts,
} from '@certmill/pipeline';
import { observeStatus, presignPolicyOf, presignsAny } from '@certmill/platform';
import type { ResponderPool } from '@certmill/signing';
import { jobsOf, promptJobs } from './connections/open-jobs.js';
import type { OpenedStores } from './connections/open-store.js';
import type { Trust } from './keys/trust-folder.js';
import { respondersMissing } from './responders.js';
import type { ServiceContext } from './service-context.js';

/**
 * What publish does after each chunk where responses are signed ahead: plans it, durably, before the
 * chunk's record counts as read. Only then publish waits for Redis.
 */
export async function presigningAfter(
  context: ServiceContext,
): Promise<Pick<PublishPorts, 'afterEnd'>> {
  const plan = await presigningPlanner(context);
  return plan === undefined ? {} : { afterEnd: plan };
}

/**
 * What ingest does after each change of statuses where responses are signed ahead: plans those of its
 * chunks, durably, before the call is answered.
 */
export async function presigningOnChange(
  context: ServiceContext,
): Promise<Pick<ChangeCertificatesPorts, 'onChanged'>> {
  const plan = await presigningPlanner(context);
  if (plan === undefined) return {};
  return {
    async onChanged(chunks) {
      for (const chunk of chunks) await plan(chunk);
    },
  };
}

async function presigningPlanner(
  context: ServiceContext,
): Promise<((chunk: ChunkRef) => Promise<void>) | undefined> {
  const { config, clock, parts } = context;
  if (!presignsAny(config.ocsp)) return undefined;
  const { what, open } = jobsOf(context);
  const jobs = await context.waitFor(what, open);
  parts.push(jobs);
  return (chunk) => planPresigning(jobs, chunk, clock.nowMs());
}

/** What status tells of what was signed ahead, by its own configuration: nothing of other issuers. */
export function presignedFor(
  { config }: Pick<ServiceContext, 'config'>,
  { ocsp }: Pick<OpenedStores, 'ocsp'>,
): Pick<AnswerPorts, 'presigned'> {
  if (!presignsAny(config.ocsp)) return {};
  return { presigned: presignedUnder(presignPolicyOf(config.ocsp), ocsp) };
}

/**
 * Sign signs what is planned, with the keys of responders; their certificates come from its slots. Where
 * nothing is signed ahead it takes away what was.
 */
export async function presignFor(
  context: ServiceContext,
  { store, ocsp }: OpenedStores,
  trust: Trust,
  presigner: ResponderPool | undefined,
): Promise<void> {
  const { config, clock, logger, metrics, parts } = context;
  if (!config.lanes.includes('bulk')) return;
  const common = {
    clock,
    responses: ocsp,
    issuers: () => trust.catalogue.all.map(({ name }) => name),
    onFault: (error: unknown) => observeStatus(logger, metrics).fault(error),
  };
  if (!presignsAny(config.ocsp)) {
    parts.push(startPresignedRemoval(common));
    return;
  }
  if (presigner === undefined) throw respondersMissing();
  const { what, open } = jobsOf(context, promptJobs);
  const jobs = await context.waitFor(what, open);
  parts.push(jobs);
  const presigning = await startPresigning({
    ...common,
    jobs,
    presigner,
    ...{ tenants: store, orders: store, batches: store, revocations: store },
    certificates: store,
    issuerOf: (name) => trust.catalogue.find(name),
    serialKeys: new Map(trust.serialKeys.map((key) => [key.id, key])),
    policy: presignPolicyOf(config.ocsp),
    concurrency: 4,
  });
  parts.push(presigning);
  metrics.revocations.waiting(
    'ocsp',
    () => presigning.waiting(),
    () => clock.nowMs(),
  );
}
