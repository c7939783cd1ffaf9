import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certsOnlyEnvelope, pemEncode } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import type { Result } from '../publish/read-results.js';
import { certificateFileName } from './certificate-file-name.js';
import { PendingFile } from './pending-file.js';
import { certificateLinesOf, rejectionLinesOf } from './result-lines.js';

export const resultFolderFormats = ['pem', 'der', 'ndjson', 'p7b'] as const;
export type ResultFolderFormat = (typeof resultFolderFormats)[number];

export interface ResultFolderSummary {
  readonly issued: number;
  readonly rejected: number;
}

/** A p7b's certificates wait in a file that never gets this name: they follow a header. */
const oneFiles: Readonly<Record<ResultFolderFormat, string | undefined>> = {
  pem: undefined,
  der: undefined,
  ndjson: 'certificates.ndjson',
  p7b: 'certificates.p7b.bodies',
};

/** Enough to hide the latency of a disk, few enough for any limit on open files. */
const filesAtOnce = 32;

/**
 * What `--out DIR` gets. `pem` and `der`: one file per device, named by certificateFileName;
 * `ndjson`: certificates.ndjson; `p7b`: certificates.p7b, chain included. Beside them chain.pem,
 * and rejections.ndjson where there are any. Each file appears whole or not at all, and writing the
 * same results again changes nothing. One folder has one writer at a time.
 */
export class ResultFolder {
  readonly #directory: string;
  readonly #format: ResultFolderFormat;
  readonly #chainDer: readonly Uint8Array[];
  readonly #certificates: PendingFile | undefined;
  #rejections: PendingFile | undefined;
  #issued = 0;
  #rejected = 0;

  private constructor(
    directory: string,
    format: ResultFolderFormat,
    chainDer: readonly Uint8Array[],
    certificates: PendingFile | undefined,
  ) {
    this.#directory = directory;
    this.#format = format;
    this.#chainDer = chainDer;
    this.#certificates = certificates;
  }

  /**
   * Makes the folder where it is missing, and writes chain.pem.
   * @param chainDer From the issuing CA up.
   * Faults: INVALID_INPUT where the folder cannot be written to.
   */
  static async open(
    directory: string,
    format: ResultFolderFormat,
    chainDer: readonly Uint8Array[],
  ): Promise<ResultFolder> {
    try {
      await mkdir(directory, { recursive: true });
      const chain = await PendingFile.create(join(directory, 'chain.pem'));
      await chain.append(
        Buffer.from(chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('')),
      );
      await chain.commit();
      const oneFile = oneFiles[format];
      const certificates =
        oneFile === undefined ? undefined : await PendingFile.create(join(directory, oneFile));
      return new ResultFolder(directory, format, chainDer, certificates);
    } catch (cause) {
      throw writeFault(directory, cause);
    }
  }

  /**
   * Writes results, in the order of their indexes. Wait for it before the next call.
   * Faults: CONFLICT where a device's file is there with another certificate; FAULT_DISK_FULL.
   */
  async write(results: readonly Result[]): Promise<void> {
    try {
      if (this.#certificates === undefined) await this.#writeFiles(results);
      else await this.#certificates.append(this.#encode(results));
      await this.#writeRejections(results);
    } catch (cause) {
      throw writeFault(this.#directory, cause);
    }
    for (const { certificateDer } of results) {
      if (certificateDer === undefined) this.#rejected++;
      else this.#issued++;
    }
  }

  /** Brings what is pending under its name. The rejections of an earlier run do not stay. */
  async finish(): Promise<ResultFolderSummary> {
    try {
      if (this.#certificates !== undefined) await this.#commit(this.#certificates);
      if (this.#rejections === undefined) {
        await rm(join(this.#directory, 'rejections.ndjson'), { force: true });
      } else await this.#rejections.commit();
    } catch (cause) {
      throw writeFault(this.#directory, cause);
    }
    return { issued: this.#issued, rejected: this.#rejected };
  }

  /** Gives up: removes what is pending, keeps the certificates that have files of their own. */
  async discard(): Promise<void> {
    await this.#certificates?.discard();
    await this.#rejections?.discard();
  }

  #encode(results: readonly Result[]): Uint8Array {
    if (this.#format === 'ndjson') return certificateLinesOf(results);
    return Buffer.concat(results.flatMap(({ certificateDer: der }) => (der ? [der] : [])));
  }

  async #writeFiles(results: readonly Result[]): Promise<void> {
    const queue = results.values();
    const worker = async (): Promise<void> => {
      for (const { certificateDer, deviceId, index } of queue) {
        if (certificateDer === undefined) continue;
        const name = `${certificateFileName(deviceId, index)}.${this.#format}`;
        const bytes =
          this.#format === 'der'
            ? certificateDer
            : Buffer.from(pemEncode('CERTIFICATE', certificateDer));
        await writeOnce(this.#directory, name, bytes);
      }
    };
    // All have ended before a failure is told: nothing is written behind the caller's back.
    const ends = await Promise.allSettled(Array.from({ length: filesAtOnce }, worker));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #writeRejections(results: readonly Result[]): Promise<void> {
    const lines = rejectionLinesOf(results);
    if (lines.length === 0) return;
    this.#rejections ??= await PendingFile.create(join(this.#directory, 'rejections.ndjson'));
    await this.#rejections.append(lines);
  }

  /**
   * A SignedData says its length first, so the certificates are copied behind it once all are
   * there.
   */
  async #commit(certificates: PendingFile): Promise<void> {
    if (this.#format === 'ndjson') {
      await certificates.commit();
      return;
    }
    const chainBytes = this.#chainDer.reduce((total, der) => total + der.length, 0);
    const { header, trailer } = certsOnlyEnvelope(chainBytes + certificates.bytes);
    const whole = await PendingFile.create(join(this.#directory, 'certificates.p7b'));
    await whole.append(Buffer.concat([header, ...this.#chainDer]));
    const copied = createReadStream(certificates.partPath) as AsyncIterable<Uint8Array>;
    for await (const bytes of copied) await whole.append(bytes);
    await whole.append(trailer);
    await whole.commit();
    await certificates.discard();
  }
}

/**
 * Not synced: the certificate is durable in the store, and the same command writes a lost file
 * again.
 */
async function writeOnce(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const path = join(directory, name);
  const existing = await readFile(path).catch(() => undefined);
  if (existing !== undefined) {
    if (existing.equals(bytes)) return;
    throw new CertmillError(
      'CONFLICT',
      `${path} holds another certificate; give another folder, or move the file away`,
    );
  }
  const part = join(directory, `.${name}.part`);
  await writeFile(part, bytes);
  await rename(part, path);
}

function writeFault(directory: string, cause: unknown): unknown {
  if (cause instanceof CertmillError) return cause;
  const isSystemError =
    typeof cause === 'object' && cause !== null && 'syscall' in cause && 'code' in cause;
  if (!isSystemError) return cause;
  return cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
    ? new CertmillError('FAULT_DISK_FULL', `no space is left for ${directory}`, { cause })
    : new CertmillError('INVALID_INPUT', `cannot write to ${directory} (${String(cause.code)})`, {
        cause,
      });
}
