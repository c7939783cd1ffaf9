import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { CertmillError, isCertmillError, type OrderId, type TenantId } from '@certmill/domain';
import { diskFault } from '@certmill/packed';
import { idsUnder, type Documents, type Stored } from '../connection/documents.js';

/** A piece of a packed list. `_id`: `<tenant>/<order>/<list>/<piece>`. */
export interface AllowListBlob extends Stored {
  readonly bytes: Uint8Array;
}

/** What a list that was put together again has to be. */
export interface FileProof {
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

export interface ListName {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
  readonly listId: string;
}

/** Half of what a document may hold. */
const pieceBytes = 8 * 1024 * 1024;
const triesPerPiece = 3;

/** Packed lists in pieces. */
export class AllowListBlobs {
  readonly #blobs: Documents<AllowListBlob>;

  constructor(blobs: Documents<AllowListBlob>) {
    this.#blobs = blobs;
  }

  /** @param onPiece After each piece; what it throws ends the upload. */
  async upload(list: ListName, path: string, onPiece: () => Promise<void>): Promise<FileProof> {
    const file = await onDisk(open(path, 'r'), 'open a packed list');
    try {
      const hash = createHash('sha256');
      let bytes = 0;
      for (let piece = 0; ; piece += 1) {
        const read = await readPiece(file, bytes);
        if (read.length === 0) return { bytes, sha256: hash.digest() };
        hash.update(read);
        bytes += read.length;
        await this.#insert({ _id: pieceKey(list, piece), bytes: read });
        await onPiece();
      }
    } finally {
      await file.close();
    }
  }

  /** False where a piece is missing. Faults: FAULT_PROCESSING where it is not what it was. */
  async download(list: ListName, proof: FileProof, path: string): Promise<boolean> {
    const file = await onDisk(open(path, 'w'), 'keep a packed list');
    try {
      const hash = createHash('sha256');
      let bytes = 0;
      for (let piece = 0; bytes < proof.bytes; piece += 1) {
        const blob = await this.#blobs.get(pieceKey(list, piece));
        if (blob === undefined) return false;
        hash.update(blob.bytes);
        await onDisk(writePiece(file, blob.bytes, bytes), 'keep a packed list');
        bytes += blob.bytes.length;
      }
      if (bytes !== proof.bytes || Buffer.compare(hash.digest(), proof.sha256) !== 0) {
        throw new CertmillError(
          // One order's: a dead letter, no halt of all.
          'FAULT_PROCESSING',
          `the allow-list of order ${list.orderId} is damaged: import it again`,
        );
      }
      return true;
    } finally {
      await file.close();
    }
  }

  /** Ids of the lists of which there is a piece. All shards look through the range of `_id`. */
  async listIds(tenant: TenantId, orderId: OrderId): Promise<readonly string[]> {
    const prefix = `${tenant}/${orderId}/`;
    const found = await this.#blobs.find(idsUnder(prefix), { sort: { _id: 1 }, fields: ['_id'] });
    const ids = found.map(({ _id }) => _id.slice(prefix.length, _id.lastIndexOf('/')));
    return [...new Set(ids)];
  }

  /** All shards, as `listIds`. */
  remove({ tenant, orderId, listId }: ListName): Promise<void> {
    return this.#blobs.removeAll(idsUnder(`${tenant}/${orderId}/${listId}/`));
  }

  async #insert(blob: AllowListBlob): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        // One that is there is of an earlier try: ids of lists are never used twice.
        await this.#blobs.insert(blob);
        return;
      } catch (error) {
        const mayRetry = isCertmillError(error) && error.code === 'FAULT_STORE_DOWN';
        if (!mayRetry || tries === triesPerPiece) throw error;
      }
    }
  }
}

function pieceKey({ tenant, orderId, listId }: ListName, piece: number): string {
  return `${tenant}/${orderId}/${listId}/${String(piece).padStart(5, '0')}`;
}

async function readPiece(file: FileHandle, position: number): Promise<Uint8Array> {
  const piece = Buffer.alloc(pieceBytes);
  let done = 0;
  while (done < piece.length) {
    const read = file.read(piece, done, piece.length - done, position + done);
    const { bytesRead } = await onDisk(read, 'read a packed list');
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return piece.subarray(0, done);
}

async function writePiece(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function onDisk<T>(step: Promise<T>, what: string): Promise<T> {
  return step.catch((error: unknown) => {
    throw diskFault(error, what);
  });
}
