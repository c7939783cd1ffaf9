import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { diskFault, systemCodeOf } from '@certmill/packed';
import type { CrlRecord } from './crl-table.js';
import { crlFile } from './store-files.js';

/** Where the octets of a CRL lie, and what they are. */
export type CrlFile = Pick<CrlRecord, 'fileId' | 'bytes' | 'sha256'>;

/**
 * CRLs in files, each written once under a name of its own and made durable before its row names it: a
 * half-written one is never in force, whenever the process is killed. Written and read outside the store
 * thread, which 40 MB would keep from everything else.
 */
export class CrlFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN; then nothing is left behind. */
  async write(der: Uint8Array): Promise<CrlFile> {
    const fileId = randomUUID();
    const path = crlFile(this.#directory, fileId);
    try {
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, 'wx');
      try {
        await file.writeFile(der);
        await file.sync();
      } finally {
        await file.close();
      }
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (error) {
      await this.remove(fileId).catch(() => undefined);
      throw diskFault(error, 'keep a CRL');
    }
    return { fileId, bytes: der.length, sha256: sha256Of(der) };
  }

  /** Undefined where the file is gone: another CRL is in force by now. Faults: FAULT_STORE_CORRUPT. */
  async read({ fileId, bytes, sha256 }: CrlFile): Promise<Uint8Array | undefined> {
    let der: Buffer;
    try {
      der = await readFile(crlFile(this.#directory, fileId));
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined;
      throw diskFault(error, 'read a CRL');
    }
    if (der.length !== bytes || Buffer.compare(sha256Of(der), sha256) !== 0) {
      // One CRL's fault, that the next one mends: nothing of the store halts for it.
      throw new CertmillError('FAULT_PROCESSING', `the file of CRL ${fileId} is damaged`);
    }
    return der;
  }

  remove(fileId: string): Promise<void> {
    return rm(crlFile(this.#directory, fileId), { force: true });
  }
}

function sha256Of(der: Uint8Array): Buffer {
  return createHash('sha256').update(der).digest();
}
