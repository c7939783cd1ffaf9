import { CertmillError } from '@certmill/domain';
import type { Collections } from './collections.js';
import type { Stored } from './connection/documents.js';

/** Something that is done to a store as a whole: no service works in it until that has ended. */
export interface StoreChange {
  readonly kind: 'migration' | 'restore';
  /** Tells the same one, begun again, from another. */
  readonly source: string;
  readonly beganAtMs: number;
  readonly endedAtMs?: number;
}

/** What is fixed when a fleet is initialised; restoring a backup MUST change the epoch. */
export interface MetaDocument extends Stored {
  /** The latest one. */
  readonly change?: StoreChange;
  readonly format: number;
  /** 16 random octets: part of every batch id. */
  readonly epoch: Uint8Array;
  /** 32 random octets, for keyed hashes. */
  readonly secret: Uint8Array;
  /** Journals that the tenants are spread over (ADR 0012). */
  readonly shards: number;
}

export interface IssuanceTimeDocument extends Stored {
  readonly atMs: number;
}

/** There is one of each. */
export const theOne = 'store';
export const storeFormat = 1;
/** This format and the one before are read; there was none before 1. */
const oldestFormat = 1;
export const journalShards = 16;

/**
 * Faults: CONFIG_INVALID where `fleet init` was never run, DATA_FORMAT_UNSUPPORTED, CONFLICT where
 * a change has begun and not ended, unless it is for that change.
 */
export async function readMeta(
  { meta }: Pick<Collections, 'meta'>,
  isForChange = false,
): Promise<MetaDocument> {
  const stored = await meta.get(theOne);
  if (stored === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      'the database is not initialised: run certmill fleet init',
    );
  }
  assertReadable(stored);
  const { change } = stored;
  if (!isForChange && change !== undefined && change.endedAtMs === undefined) {
    throw new CertmillError(
      'CONFLICT',
      `a ${change.kind} of this store has begun and not ended: run '${commands[change.kind]}' again, until it ends`,
    );
  }
  return stored;
}

const commands: Readonly<Record<StoreChange['kind'], string>> = {
  migration: 'certmill migrate',
  restore: 'certmill fleet restored',
};

/** Faults: DATA_FORMAT_UNSUPPORTED, also of a later release. */
export function assertReadable({ format }: Pick<MetaDocument, 'format'>): void {
  if (format >= oldestFormat && format <= storeFormat) return;
  throw new CertmillError(
    'DATA_FORMAT_UNSUPPORTED',
    `the database has format ${String(format)}, this version reads ${String(storeFormat)}`,
  );
}
