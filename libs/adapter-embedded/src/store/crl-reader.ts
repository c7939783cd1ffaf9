import { CertmillError } from '@certmill/domain';
import type { CrlScope, CrlStore, StoredCrl } from '@certmill/ports';
import type { CrlFiles } from './crl-files.js';
import type { CrlRecord } from './crl-table.js';

/** A reader is overtaken by writers this often before it gives up: minutes lie between two CRLs. */
const readTries = 8;

export type FindCrl = (scope: CrlScope, kind: StoredCrl['kind']) => Promise<CrlRecord | undefined>;

/** Reads the CRLs in force: a row each, wherever it is asked for, and its file. */
export class CrlReader implements Pick<CrlStore, 'getCrl' | 'describeCrl'> {
  readonly #find: FindCrl;
  readonly #files: Pick<CrlFiles, 'read'>;

  constructor(find: FindCrl, files: Pick<CrlFiles, 'read'>) {
    this.#find = find;
    this.#files = files;
  }

  async getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined> {
    for (let tries = 0; tries < readTries; tries += 1) {
      const record = await this.#find(scope, kind);
      if (record === undefined) return undefined;
      const der = await this.#files.read(record);
      if (der !== undefined) return { ...described(record), der };
    }
    throw new CertmillError('FAULT_STORE_DOWN', 'the file of a CRL is missing');
  }

  async describeCrl(scope: CrlScope, kind: StoredCrl['kind']) {
    const record = await this.#find(scope, kind);
    return record && described(record);
  }
}

function described({ fileId: _, bytes: __, sha256: ___, ...crl }: CrlRecord) {
  return crl;
}
