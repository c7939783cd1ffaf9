import { profileOfCanonical } from '@certmill/domain';
import { profileCatalogue, runStage, validateChunk, verdictSealsOf } from '@certmill/pipeline';
import { openExaminationPool } from '@certmill/signing';
import { openLog, watchLags } from '../connections/open-log.js';
import { openStore } from '../connections/open-store.js';
import { hopKeysFor, hopsOf, roleHops } from '../keys/hops-of.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';

/** Proof of possession, policy, allow-list, claims and quota: makes verdicts. */
export async function openValidate(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, metrics, observer, parts } = context;
  const hops = hopsOf(roleHops.validate, config, clock);
  const verdictSeals = verdictSealsOf(hopKeysFor('validated', config));
  const store = await openStore(context);
  const log = await openLog(context);
  watchLags(context, log, ['validate']);
  const profiles = profileCatalogue(store, profileOfCanonical);
  const examiner = await openExaminationPool({
    profiles: (hash) => profiles.canonicalOf(hash),
    lanes: config.lanes,
    threads: config.workers.validate,
    ...(config.blocklistFile === undefined ? {} : { blocklistFile: config.blocklistFile }),
  });
  parts.push(examiner);
  metrics.pool('examination', () => examiner.load());
  const ports = { stores: store, profiles, examiner, log, hops, verdictSeals, clock };
  parts.push(
    await runStage({
      stage: 'validate',
      log,
      certificates: store,
      lanes: config.lanes,
      concurrency: config.chunksInHand,
      observer,
      handler: (record, traceparent) => validateChunk(ports, record, traceparent),
    }),
  );
  return {};
}
