import { CertmillError } from '@certmill/domain';
import type { Collections } from './collections.js';
import type { Stored } from './connection/documents.js';

/** What is fixed when a fleet is initialised; restoring a backup MUST change the epoch. */
export interface MetaDocument extends Stored {
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
export const journalShards = 16;

/** Faults: CONFIG_INVALID where `fleet init` was never run, DATA_FORMAT_UNSUPPORTED. */
export async function readMeta({ meta }: Pick<Collections, 'meta'>): Promise<MetaDocument> {
  const stored = await meta.get(theOne);
  if (stored === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      'the database is not initialised: run certmill fleet init',
    );
  }
  if (stored.format !== storeFormat) {
    throw new CertmillError(
      'DATA_FORMAT_UNSUPPORTED',
      `the database has format ${String(stored.format)}, this version reads ${String(storeFormat)}`,
    );
  }
  return stored;
}
