import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { checkCollections } from '@certmill/adapter-mongo';
import type { StoreSurvey } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';
import { groups } from '@certmill/events';
import type { FleetConfig } from '../config/fleet-config.js';
import { kafkaConnection } from '../connections/open-log.js';
import { mongoConnection } from '../connections/open-store.js';
import type { Trust } from '../keys/trust-folder.js';
import { clusterSpec, topicReaders } from '../topics.js';
import type { MigrationSource } from './migration-source.js';

/**
 * Chunks in flight are in the folder's log only: they end where they are. Uploads that are not whole go
 * on in the fleet: nothing of them is lost, and epoch and pins stay.
 * Faults: CONFLICT.
 */
export function assertAtRest({ counts }: StoreSurvey): void {
  const { chunksInFlight } = counts;
  if (chunksInFlight === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `${String(chunksInFlight)} chunks are in flight: run 'certmill serve' on the folder until each has ended, then again`,
  );
}

/**
 * Certificates are checked under the issuers that signed them, and serial numbers lead back to their
 * requests by the serial keys: the fleet MUST have those of the folder. Faults: CONFIG_INVALID.
 */
export function assertSameTrust(source: MigrationSource, trust: Trust): void {
  for (const { name, chainDer } of source.issuers) {
    const own = trust.catalogue.all.find((issuer) => issuer.name === name);
    const [certificate] = chainDer;
    const [other] = own?.chainDer ?? [];
    if (certificate === undefined || other === undefined || !isSame(certificate, other)) {
      throw new CertmillError(
        'CONFIG_INVALID',
        `trust: issuer '${name}' of the data folder is not in it: give the fleet the same ca folder`,
      );
    }
  }
  for (const { id, key } of source.serialKeys) {
    const own = trust.serialKeys.find((candidate) => candidate.id === id);
    if (own === undefined || !isSame(own.key, key)) {
      throw new CertmillError(
        'CONFIG_INVALID',
        `trust: serial key ${String(id)} of the data folder is not in it: give the fleet the same serial-keys.json`,
      );
    }
  }
}

/**
 * Topics and collections are there, and no service is. Faults: CONFIG_INVALID, CONFLICT,
 * FAULT_BUS_DOWN, FAULT_STORE_DOWN, DATA_FORMAT_UNSUPPORTED.
 */
export async function assertInitialisedAndStopped(
  config: FleetConfig,
  name: string,
): Promise<void> {
  const inStore = await checkCollections(mongoConnection(config, name));
  const admin = openKafkaAdmin(kafkaConnection(config, name));
  try {
    const { differences } = await admin.checkTopics(clusterSpec(config));
    const all = [...inStore, ...differences];
    if (all.length > 0) {
      throw new CertmillError('CONFIG_INVALID', `run 'certmill fleet init': ${all.join('; ')}`);
    }
    const states = await admin.describeLag(topicReaders);
    const working = states.filter(({ members }) => members > 0).map(({ group }) => group);
    // Each ingest has a group of its own, in which it hears of what is published.
    const listening = await admin.groupsInUse(`${groups.notify}.`);
    const running = [...new Set([...working, ...listening])];
    if (running.length === 0) return;
    throw new CertmillError(
      'CONFLICT',
      `services are running (${running.join(', ')}): stop all of them`,
    );
  } finally {
    await admin.stop(1_000);
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
