import type { IncomingMessage } from 'node:http';
import { CertmillError, stoppingFault } from '@certmill/domain';
import { RefusedCall } from '../problem/refused-call.js';

export interface BodyWatch {
  /** A body that sends nothing for this long is given up. */
  readonly idleUploadMs: number;
  /** Average over the time that we waited for the client, judged once that is `idleUploadMs`. */
  readonly minUploadBytesPerSecond: number;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

/**
 * The octets of a body as they come. Between two pulls nothing is read, so a slow consumer stops the
 * socket; only the time that we wait for the client counts against it. It never destroys the stream:
 * the answer still goes out on the same connection.
 * Faults: INVALID_INPUT where the connection was cut, a 408 where it was too slow, FAULT_STOPPING.
 */
export async function* watchedBody(
  body: IncomingMessage,
  watch: BodyWatch,
): AsyncGenerator<Uint8Array> {
  let waitedMs = 0;
  let bytes = 0;
  for (;;) {
    if (watch.stopping.aborted) throw stoppingFault();
    const chunk = body.read() as Buffer | null;
    if (chunk !== null) {
      bytes += chunk.length;
      if (waitedMs > watch.idleUploadMs && isTooSlow(bytes, waitedMs, watch)) {
        throw new RefusedCall(408, 'the body came too slowly');
      }
      yield chunk;
      continue;
    }
    if (body.readableEnded) return;
    if (body.destroyed) throw cutOff();
    const sinceMs = performance.now();
    await moved(body, watch);
    waitedMs += performance.now() - sinceMs;
  }
}

function isTooSlow(bytes: number, waitedMs: number, watch: BodyWatch): boolean {
  return (bytes * 1000) / waitedMs < watch.minUploadBytesPerSecond;
}

/**
 * Resolves when there is something to read or the body ended. With events rather than the stream's
 * own iterator, which would keep the stream from being drained after a failure.
 */
async function moved(body: IncomingMessage, watch: BodyWatch): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const onMoved = (): void => resolve(undefined);
  const onGone = (cause?: unknown): void => reject(cutOff(cause));
  const onStop = (): void => reject(stoppingFault());
  const timer = setTimeout(() => {
    reject(new RefusedCall(408, 'the body stopped coming'));
  }, watch.idleUploadMs);
  body.on('readable', onMoved).on('end', onMoved).on('error', onGone).on('close', onGone);
  watch.stopping.addEventListener('abort', onStop);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    body.off('readable', onMoved).off('end', onMoved).off('error', onGone).off('close', onGone);
    watch.stopping.removeEventListener('abort', onStop);
  }
}

function cutOff(cause?: unknown): CertmillError {
  return new CertmillError('INVALID_INPUT', 'the connection was cut before the body ended', {
    cause,
  });
}
