import { CertmillError } from '@certmill/domain';
import type { CrlScope, CrlStore, StoredCrl } from '@certmill/ports';
import { CrlFiles } from './crl-files.js';
import type { CrlRecord } from './crl-table.js';
import type { StoreClient } from './store-client.js';

/** A reader is overtaken by writers this often before it gives up: minutes lie between two CRLs. */
const readTries = 8;

/** CRLs in force: a row each, which the store thread compares and changes, and its file. */
export class EmbeddedCrls implements CrlStore {
  readonly #client: StoreClient;
  readonly #files: CrlFiles;

  constructor(client: StoreClient, directory: string) {
    this.#client = client;
    this.#files = new CrlFiles(directory);
  }

  async putCrl({ der, ...crl }: StoredCrl, replaces: bigint | undefined): Promise<boolean> {
    const inForce = await this.#find(crl.scope, crl.kind);
    if (inForce?.crlNumber !== replaces) return false;
    const file = await this.#files.write(der);
    try {
      const { isStored, unused } = await this.#client.call('putCrl', [
        { ...crl, ...file },
        replaces,
      ]);
      if (unused !== undefined) await this.#client.call('dropCrl', [unused]);
      return isStored;
    } catch (error) {
      // The COMMIT may have reached the disk: the file goes only where the CRL is not in force.
      const stored = await this.#find(crl.scope, crl.kind).catch(() => file);
      if (stored?.fileId !== file.fileId) await this.#files.remove(file.fileId);
      throw error;
    }
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

  #find(scope: CrlScope, kind: StoredCrl['kind']): Promise<CrlRecord | undefined> {
    return this.#client.call('findCrl', [scope, kind]);
  }
}

function described({ fileId: _, bytes: __, sha256: ___, ...crl }: CrlRecord) {
  return crl;
}
