import { isCertmillError, profileOfCanonical } from '@certmill/domain';
import { groups, topics } from '@certmill/events';
import {
  issuanceClock,
  profileCatalogue,
  PublicationNotices,
  TenantWindows,
} from '@certmill/pipeline';
import {
  addBuiltInProfiles,
  issuanceServices,
  logIssuerFaults,
  Repository,
  warnWhereNoneIssues,
} from '@certmill/platform';
import { issuingPolicy, whyNoneIssues } from '@certmill/trust';
import { groupRemoval } from '../connections/group-removal.js';
import { openLog, watchLags } from '../connections/open-log.js';
import { openStores } from '../connections/open-store.js';
import { hopsOf, roleHops } from '../keys/hops-of.js';
import { openManifestKey } from '../keys/manifest-key.js';
import { openTrust } from '../keys/trust-folder.js';
import { openGate } from '../quorum.js';
import { presigningOnChange } from '../presigning.js';
import { countDevices } from '../devices-to-renew.js';
import { massQueue } from '../mass-operations.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';
import { watchDelegates } from '../watch-delegates.js';

/** The HTTP face: takes uploads and single enrolments, reads everything else from the store. */
export async function openIngest(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, logger, metrics, observer, parts, readiness, traces } = context;
  const hops = hopsOf(roleHops.ingest, config, clock);
  const trust = await openTrust(config);
  trust.catalogue.tellFaults(logIssuerFaults(logger));
  warnWhereNoneIssues(logger, whyNoneIssues(trust.catalogue.all, clock.nowMs()));
  metrics.trust.ends('ca_crl', () => trust.cas.firstCaCrlEndMs());
  const delegates = watchDelegates(context, trust);
  const manifestKey = openManifestKey(config.manifestKeyFile);
  const pinningClock = issuanceClock(clock, 0);
  const learn = (atMs: number): void => {
    try {
      pinningClock.learn(atMs);
    } catch (error) {
      if (isCertmillError(error)) observer.halted('store', error);
      throw error;
    }
  };
  const { store, approvals } = await openStores(context, learn);
  const gate = await openGate(config, approvals, clock);
  const log = await openLog(context);
  // Of all stages: where every process of a stage is down, none of them tells.
  watchLags(context, log, ['validate', 'sign', 'publish']);
  const notices = new PublicationNotices();
  // Each process listens to all of them: whoever waits for a chunk is here, not there.
  const group = `${groups.notify}.${context.instance}`;
  parts.push(groupRemoval(context, topics.certificatesPublished, group));
  parts.push(
    await context.waitFor('kafka: the topic of notices', () => notices.subscribe(log, group)),
  );
  const lastMs = await context.waitFor('mongodb: the last issuance', () => store.lastIssuanceMs());
  try {
    learn(lastMs);
  } catch {
    // Told: readiness is red, and uploads are refused until the clock is right.
  }
  const kept = await context.waitFor('mongodb: the built-in profiles', () =>
    addBuiltInProfiles(store, clock),
  );
  for (const profile of kept) {
    logger.warn(
      profile,
      'tenants have a profile of their own by the name and version of a built-in one',
    );
  }
  const mass = massQueue(context);
  const services = issuanceServices({
    store,
    log,
    hops,
    notices,
    clock,
    readiness,
    manifestKey,
    profiles: profileCatalogue(store, profileOfCanonical),
    pinningClock,
    serialKeys: trust.serialKeys,
    serialKeyId: trust.serialKeyId,
    policy: issuingPolicy(trust.catalogue, clock),
    gate,
    repository: new Repository({
      ...trust.cas,
      delegateEnds: (names) => delegates.list(names),
      crls: store,
      clock,
    }),
    maxRequestsPerChunk: config.maxRequestsPerChunk,
    windows: new TenantWindows({ maxRequests: config.tenantWindow, batches: store }),
    ...(await presigningOnChange(context)),
    ...(mass.jobs === undefined ? {} : { jobs: mass.jobs }),
    observer,
  });
  parts.push(mass.run(services.mass));
  parts.push(countDevices(context, services.toRenew));
  const { startHttp } = await import('@certmill/platform/http');
  const http = await startHttp({ services, config: config.http, logger, metrics, traces });
  parts.push(http);
  return { url: http.url };
}
