import { randomBytes, randomUUID } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { Collections, CollectionName } from '../collections.js';
import { readMeta, theOne, type StoreChange } from '../meta.js';

/** What nothing is in before a fleet has begun to work. */
const emptyAtFirst = [
  'orders',
  'batches',
  'buckets',
  'segments',
  'statuses',
  'crlScopes',
  'audit',
  'approvals',
  'allowLists',
  'massOperations',
  'frozenPages',
  'massOutcomes',
  'journal',
] as const satisfies readonly CollectionName[];

/**
 * Begins to fill a fresh store, or goes on with it: from now on no service opens it, and its epoch is
 * the given one. Resolves to `ended` where it was done before.
 * Faults: CONFLICT where the store is not fresh, or something else has begun; those of `readMeta`.
 */
export async function beginMigration(
  collections: Collections,
  { source, epoch, atMs }: { source: string; epoch: Uint8Array; atMs: number },
): Promise<'begun' | 'ended'> {
  const { change } = await readMeta(collections, true);
  if (change?.kind === 'migration' && change.source === source) {
    return change.endedAtMs === undefined ? 'begun' : 'ended';
  }
  if (change !== undefined && change.endedAtMs === undefined) {
    throw new CertmillError(
      'CONFLICT',
      change.kind === 'migration'
        ? 'a migration from another folder has begun here, or the folder has changed since: give it a fresh database'
        : 'a restore of this store has begun and not ended',
    );
  }
  await assertFresh(collections);
  const began: StoreChange = { kind: 'migration', source, beganAtMs: atMs };
  const isFirst = await collections.meta.update(
    { _id: theOne, 'change.beganAtMs': change?.beganAtMs ?? null },
    { $set: { epoch, change: began } },
  );
  if (!isFirst) throw new CertmillError('CONFLICT', 'another migration has just begun here');
  return 'begun';
}

/**
 * Begins to bring a store that was restored in line with what is around it: from now on no service opens
 * it, and it has a new epoch, so that no batch id and no serial number of the later store comes again.
 * Also where one has begun: the backup may hold a restore that went on later. Resolves to what ends it.
 * Faults: CONFLICT where a migration has begun and not ended; those of `readMeta`.
 */
export async function beginRestore(collections: Collections, atMs: number): Promise<string> {
  const { change } = await readMeta(collections, true);
  if (change?.kind === 'migration' && change.endedAtMs === undefined) {
    throw new CertmillError(
      'CONFLICT',
      'this is a backup of a migration that had not ended: run certmill migrate again, into a fresh database',
    );
  }
  const source = randomUUID();
  const began: StoreChange = { kind: 'restore', source, beganAtMs: atMs };
  await collections.meta.update(
    { _id: theOne },
    { $set: { epoch: randomBytes(16), change: began } },
  );
  // Others may have been published since, with higher numbers: new ones are due (RFC 5280 5.2.3).
  await collections.crls.updateAll({}, { $set: { nextUpdateMs: 0 } });
  return source;
}

/** Faults: CONFLICT, naming what is there. */
export async function assertFresh(collections: Collections): Promise<void> {
  for (const name of emptyAtFirst) {
    const [found] = await collections[name].find({}, { sort: {}, limit: 1, fields: ['_id'] });
    if (found === undefined) continue;
    throw new CertmillError(
      'CONFLICT',
      `the fleet has worked already (collection ${name} is not empty): give the migration a fresh database`,
    );
  }
}

/** Services may open the store again. False where it was no change of this source. */
export function endChange(
  { meta }: Pick<Collections, 'meta'>,
  source: string,
  atMs: number,
): Promise<boolean> {
  return meta.update(
    { _id: theOne, 'change.source': source },
    { $set: { 'change.endedAtMs': atMs } },
  );
}
