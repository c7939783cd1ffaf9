import type { CrlStore, StoredCrl } from '@certmill/ports';
import { CrlFiles } from './crl-files.js';
import { CrlReader, type FindCrl } from './crl-reader.js';
import type { StoreClient } from './store-client.js';

/** CRLs in force: a row each, which the store thread compares and changes, and its file. */
export class EmbeddedCrls extends CrlReader implements CrlStore {
  readonly #client: StoreClient;
  readonly #files: CrlFiles;
  readonly #find: FindCrl;

  constructor(client: StoreClient, directory: string) {
    const files = new CrlFiles(directory);
    const find: FindCrl = (scope, kind) => client.call('findCrl', [scope, kind]);
    super(find, files);
    this.#client = client;
    this.#files = files;
    this.#find = find;
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
}
