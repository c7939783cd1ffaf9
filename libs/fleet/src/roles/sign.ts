import { CertmillError } from '@certmill/domain';
import { runStage, signChunk } from '@certmill/pipeline';
import { logIssuerFaults, warnWhereNoneIssues } from '@certmill/platform';
import { latencyBoundsSeconds, openSigningPools } from '@certmill/signing';
import { whyNoneIssues } from '@certmill/trust';
import { openLog, watchLags } from '../connections/open-log.js';
import { openStores } from '../connections/open-store.js';
import { hopsOf, roleHops } from '../keys/hops-of.js';
import { signableProfiles } from '../keys/profile-folder.js';
import { startCrls } from '../start-crls.js';
import { signingIssuers } from '../keys/signing-issuers.js';
import { openTrust } from '../keys/trust-folder.js';
import { presignFor } from '../presigning.js';
import { keepResponders, openResponders } from '../responders.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';
import { watchDelegates } from '../watch-delegates.js';

/** The only role that reaches issuer keys. What it signs for is in its own configuration only. */
export async function openSign(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, observer, parts, logger, metrics } = context;
  const hops = hopsOf(roleHops.sign, config, clock);
  const trust = await openTrust(config, { keyless: 'left-out' });
  trust.catalogue.tellFaults(logIssuerFaults(logger));
  warnWhereNoneIssues(logger, whyNoneIssues(trust.catalogue.all, clock.nowMs()));
  const issuers = signingIssuers(trust.catalogue, config, context.overrides.slotModule);
  const profiles = signableProfiles(config.profiles);
  const signer = await openSigningPools({
    issuers: issuers.all,
    findIssuer: (name) => issuers.find(name),
    profiles(issuer, hash) {
      // Others learn of an issuer first where it is rolled out: its chunks wait for it to come here.
      if (trust.catalogue.find(issuer) === undefined) throw issuerUnknown(issuer);
      trust.catalogue.assertSigns(issuer, clock.nowMs());
      const profile = profiles.get(hash);
      const allowed = config.issuers?.[issuer]?.profiles;
      return profile === undefined || allowed?.includes(profile.name) === false
        ? undefined
        : profile.canonical;
    },
    serialKeys: trust.serialKeys,
    lanes: config.lanes,
    threadsPerSlot: config.workers.sign,
    chunkTimeoutMs: config.signTimeoutMs,
    onSlotChange: (health) => logger.warn(health, 'a slot changed'),
    onKeyChange: (health) => logger.warn(health, 'a key changed'),
    onHung: ({ slot }) =>
      context.fail(
        new CertmillError(
          'FAULT_HSM_LOST',
          `slot ${slot} hangs in its module: the process must be started again`,
        ),
      ),
  });
  parts.push(signer);
  metrics.slots(
    () => signer.health(),
    latencyBoundsSeconds,
    () => signer.issuersOut(),
  );
  metrics.trust.ends('issuer', () => trust.catalogue.firstEndMs(clock.nowMs()));
  watchDelegates(context, trust);
  const stores = await openStores(context);
  const { store } = stores;
  const log = await openLog(context);
  watchLags(context, log, ['sign']);
  // Interactive processes stay free for enrolments.
  const responders = config.lanes.includes('bulk')
    ? openResponders(context, trust, store, signer)
    : undefined;
  if (responders !== undefined) parts.push(keepResponders(context, trust, responders.folder));
  await presignFor(context, stores, trust, responders?.pool);
  const ports = { certificates: store, signer, log, hops, clock };
  parts.push(startCrls(context, store, signer, trust));
  parts.push(
    await context.waitFor('kafka: the topics of the stage', () =>
      runStage({
        stage: 'sign',
        log,
        certificates: store,
        lanes: config.lanes,
        concurrency: config.chunksInHand,
        observer,
        handler: (record, traceparent) => signChunk(ports, record, traceparent),
      }),
    ),
  );
  return {};
}

function issuerUnknown(name: string): CertmillError {
  return new CertmillError('FAULT_ISSUER_UNKNOWN', `sign does not know issuer ${name}`);
}
