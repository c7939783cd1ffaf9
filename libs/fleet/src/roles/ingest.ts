import { createPrivateKey, type KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { CertmillError, profileOfCanonical } from '@certmill/domain';
import { groups, topics } from '@certmill/events';
import {
  issuanceClock,
  profileCatalogue,
  PublicationNotices,
  TenantWindows,
} from '@certmill/pipeline';
import { addBuiltInProfiles, issuanceServices } from '@certmill/platform';
import type { Stoppable } from '@certmill/ports';
import { issuingPolicy } from '@certmill/trust';
import { readNamedFile } from '../config/secret-files.js';
import { kafkaConnection, openLog, watchLags } from '../connections/open-log.js';
import { openStore } from '../connections/open-store.js';
import { hopsOf } from '../keys/hops-of.js';
import { openTrust } from '../keys/trust-folder.js';
import type { OpenedRole, ServiceContext } from '../service-context.js';

/** Of brokers that are away a process does not wait long. */
const removalTimeoutMs = 5_000;

/** The HTTP face: takes uploads and single enrolments, reads everything else from the store. */
export async function openIngest(context: ServiceContext): Promise<OpenedRole> {
  const { config, clock, logger, metrics, observer, parts, readiness, traces } = context;
  const hops = hopsOf(['received'], config, clock);
  const trust = await openTrust(config);
  const manifestKey = openManifestKey(config.manifestKeyFile);
  const store = await openStore(context);
  const log = await openLog(context);
  // Of all stages: where every process of a stage is down, none of them tells.
  watchLags(context, log, ['validate', 'sign', 'publish']);
  const notices = new PublicationNotices();
  // Each process listens to all of them: whoever waits for a chunk is here, not there.
  const group = `${groups.notify}.${context.instance}`;
  parts.push(groupRemoval(context, group));
  parts.push(await notices.subscribe(log, group));
  const services = issuanceServices({
    store,
    log,
    hops,
    notices,
    clock,
    readiness,
    manifestKey,
    profiles: profileCatalogue(store, profileOfCanonical),
    pinningClock: issuanceClock(clock, await store.lastIssuanceMs()),
    serialKeys: trust.serialKeys,
    serialKeyId: trust.serialKeyId,
    policy: issuingPolicy(trust.issuers, clock),
    windows: new TenantWindows({ maxRequests: config.tenantWindow, batches: store }),
    observer,
  });
  for (const kept of await addBuiltInProfiles(store, clock)) {
    logger.warn(
      kept,
      'tenants have a profile of their own by the name and version of a built-in one',
    );
  }
  const { startHttp } = await import('@certmill/platform/http');
  const http = await startHttp({ services, config: config.http, logger, metrics, traces });
  parts.push(http);
  return { url: http.url };
}

/**
 * Nobody else comes back to the group of a process. That of a killed one stays, without members, until the
 * brokers forget its offsets (offsets.retention.minutes).
 */
function groupRemoval({ config, instance, logger }: ServiceContext, group: string): Stoppable {
  return {
    async stop(timeoutMs) {
      const admin = openKafkaAdmin(kafkaConnection(config, `certmill-ingest-${instance}`));
      const removed = admin
        .deleteGroup(topics.certificatesPublished, group)
        .catch((error: unknown) => {
          logger.warn({ err: error, group }, 'the group of this process is left behind');
        });
      const late = new AbortController();
      await Promise.race([
        removed,
        sleep(Math.min(timeoutMs, removalTimeoutMs), undefined, { signal: late.signal }).catch(
          () => undefined,
        ),
      ]);
      late.abort();
      await admin.stop(0);
    },
  };
}

function openManifestKey(file: string | undefined): KeyObject {
  if (file === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      "manifestKeyFile is missing: 'certmill fleet keys' makes one",
    );
  }
  try {
    const key = createPrivateKey(readNamedFile('manifestKeyFile', file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // No cause: nothing of a key may leak.
  }
  throw new CertmillError('CONFIG_INVALID', `manifestKeyFile: ${file} is no Ed25519 private key`);
}
