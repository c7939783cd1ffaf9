import { CertmillError } from '@certmill/domain';
import { encodeRequest, type UploadItem } from './encode-requests.js';
import type { IssuanceClient } from './issuance-client.js';
import type { BatchView } from './views.js';

/** Lines go out in pieces of about so many characters. */
const pieceCharacters = 128 * 1024;

export interface Upload {
  readonly orderId: string;
  readonly idempotencyKey: string;
  /** Begins the inputs anew; MUST give the same items in the same order each time. */
  read(): AsyncIterable<readonly UploadItem[]>;
  /** False where `read` works once only (stdin): a broken upload then fails. */
  readonly isReadAgain: boolean;
}

export interface UploadWatcher {
  /** Requests of the batch that were handed to the socket, skipped ones included. */
  onSent(count: number): void;
  /** A request that the readers refused, told once. */
  onRefused(index: number, item: UploadItem): void;
}

/**
 * Uploads until every request is durable: asks the server for the batch of the key, skips what is
 * durable there and goes on, again after every broken connection. Resolves with the batch.
 */
export async function uploadBatch(
  client: IssuanceClient,
  upload: Upload,
  watcher: UploadWatcher,
): Promise<BatchView> {
  const patience = client.patience();
  const { orderId, idempotencyKey } = upload;
  let durable = 0;
  let read = 0;
  let told = 0;
  const watchedOnce: UploadWatcher = {
    onSent: (count) => watcher.onSent(count),
    onRefused(index, item) {
      if (index < told) return;
      told = index + 1;
      watcher.onRefused(index, item);
    },
  };
  for (;;) {
    try {
      const batch = await client.findBatch(orderId, idempotencyKey);
      if (batch !== undefined && isUploaded(batch)) return batch;
      const firstIndex = batch?.nextIndex ?? 0;
      if (firstIndex > durable) {
        durable = firstIndex;
        patience.progressed();
      }
      if (read++ > 0 && !upload.isReadAgain) throw onceOnly();
      const body = encode(upload.read(), firstIndex, watchedOnce);
      return await client.upload({ orderId, idempotencyKey, firstIndex, body });
    } catch (error) {
      await patience.wait(error, true);
    }
  }
}

/** CONFLICT where the batch takes nothing more. */
function isUploaded(batch: BatchView): boolean {
  if (batch.state === 'cancelled') {
    throw new CertmillError(
      'CONFLICT',
      `batch ${batch.batchId} of this key was cancelled; begin a new one with another --key`,
    );
  }
  return batch.total !== undefined && batch.nextIndex >= batch.total;
}

function onceOnly(): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    'the connection broke, and stdin cannot be read again: run the command with a file',
  );
}

async function* encode(
  batches: AsyncIterable<readonly UploadItem[]>,
  firstIndex: number,
  watcher: UploadWatcher,
): AsyncGenerator<Uint8Array> {
  let index = 0;
  let piece = '';
  for await (const items of batches) {
    for (const item of items) {
      if (item.rejection !== undefined) watcher.onRefused(index, item);
      if (index++ < firstIndex) continue;
      piece += encodeRequest(item);
      if (piece.length < pieceCharacters) continue;
      yield Buffer.from(piece);
      piece = '';
      watcher.onSent(index);
    }
  }
  if (piece !== '') yield Buffer.from(piece);
  watcher.onSent(index);
}
