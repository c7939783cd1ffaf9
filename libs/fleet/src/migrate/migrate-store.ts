import type { StoreSurvey } from '@certmill/adapter-embedded';
import { openStoreImport, type StoreImport } from '@certmill/adapter-mongo';
import { CertmillError } from '@certmill/domain';
import type { Clock } from '@certmill/ports';
import type { VerifiedStore } from '@certmill/trust';
import type { FleetConfig } from '../config/fleet-config.js';
import { mongoConnection } from '../connections/open-store.js';
import { hopsOf } from '../keys/hops-of.js';
import { statusSealsFor } from '../keys/status-seals.js';
import { openTrust } from '../keys/trust-folder.js';
import { openFleetForReading, verifyFleet } from '../verify-fleet.js';
import { assertLettersKept, carryDeadLetters, deadLettersOf } from './carry-dead-letters.js';
import { carryStore, type OnCarried } from './carry-store.js';
import { assertAtRest, assertInitialisedAndStopped, assertSameTrust } from './check-migration.js';
import { compareStores } from './compare-stores.js';
import type { MigrationSource } from './migration-source.js';

export interface MigrationOptions {
  readonly source: MigrationSource;
  readonly config: FleetConfig;
  readonly clock: Clock;
  /** Counts and checks, and writes nothing. */
  readonly isDryRun?: boolean;
  readonly onProgress: OnCarried;
}

export interface MigrationReport {
  /** `checked`: a dry run; `unsound`: something is not as it was, services go on refusing to start. */
  readonly outcome: 'migrated' | 'migrated-before' | 'checked' | 'unsound';
  /** Of the data folder. */
  readonly counts: StoreSurvey['counts'];
  readonly findings: readonly string[];
  readonly verified?: Omit<VerifiedStore, 'findings'>;
}

/**
 * Carries a data folder into a fresh fleet: same epoch, same ids, same serial numbers. It may be killed
 * and run again at any moment. While it has begun and not ended no service of the fleet starts; before
 * it ends the folder is retired, so that there is no moment when both could work.
 * Faults: CONFLICT (requests in flight, services that run, a fleet that has worked, another migration),
 * CONFIG_INVALID (not initialised, other issuers or serial keys), FAULT_STORE_CORRUPT,
 * DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN, FAULT_BUS_DOWN.
 */
export async function migrateStore(options: MigrationOptions): Promise<MigrationReport> {
  const { source, config, clock, isDryRun = false } = options;
  const survey = await source.store.readOut().survey();
  const { counts } = survey;
  assertAtRest(survey);
  assertSameTrust(source, await openTrust(config));
  await assertInitialisedAndStopped(config, 'certmill-migrate');
  const into = await openStoreImport({
    ...mongoConnection(config, 'certmill-migrate'),
    clock,
    statusSeals: statusSealsFor(config),
  });
  try {
    if (isDryRun) {
      await into.assertFresh();
      const letters = await deadLettersOf(source);
      if (letters.length > 0) hopsOf(['received'], config, clock);
      await assertLettersKept(source, letters);
      return { outcome: 'checked', counts, findings: [] };
    }
    const epoch = await source.store.storeEpoch();
    if ((await into.begin(survey.digest, epoch)) === 'ended') {
      await source.retire();
      return { outcome: 'migrated-before', counts, findings: [] };
    }
    return await carry(options, survey, into);
  } finally {
    await into.stop();
  }
}

async function carry(
  { source, config, onProgress }: MigrationOptions,
  { counts, digest }: StoreSurvey,
  into: StoreImport,
): Promise<MigrationReport> {
  const letters = await deadLettersOf(source);
  const waiting = await notCarried(into, letters);
  await carryStore(source, into, await carryDeadLetters(source, config, waiting), onProgress);
  await using opened = await openFleetForReading(config, { isForChange: true });
  const compared = await compareStores(source, opened.store, onProgress);
  const { findings: unsound, ...verified } = await verifyFleet(opened, (certificates) => {
    onProgress('certificates verified', certificates, counts.issued);
  });
  const findings = [...compared, ...unsound];
  if (verified.certificates !== counts.issued) {
    findings.push(
      `${String(verified.certificates)} certificates were found, not ${String(counts.issued)}`,
    );
  }
  if (findings.length > 0) return { outcome: 'unsound', counts, findings, verified };
  if ((await source.store.readOut().survey()).digest !== digest) {
    throw new CertmillError('CONFLICT', 'the data folder has changed meanwhile');
  }
  await source.retire();
  await into.end(digest);
  return { outcome: 'migrated', counts, findings, verified };
}

/** Of batches that are there the letters are kept already. */
async function notCarried<T extends { readonly chunk: { tenant: string; batchId: string } }>(
  into: StoreImport,
  letters: readonly T[],
): Promise<readonly T[]> {
  const missing: T[] = [];
  for (const letter of letters) {
    const { tenant, batchId } = letter.chunk;
    if (!(await into.hasBatch(tenant, batchId))) missing.push(letter);
  }
  return missing;
}
