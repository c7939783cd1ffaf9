import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import type { IssuanceClient } from './issuance-client.js';
import { readEvents } from './server-sent-events.js';
import { ServerError } from './server-error.js';
import { batchSchema, isFinished, type BatchView } from './views.js';

const pollMs = 1_000;

/**
 * Follows a batch to its end by server-sent events, and by asking every second where events do not
 * get through. Resolves with the finished batch.
 */
export async function watchBatch(
  client: IssuanceClient,
  batchId: string,
  signal: AbortSignal,
  onChange: (batch: BatchView) => void,
): Promise<BatchView> {
  const patience = client.patience();
  let hasEvents = true;
  const look = (batch: BatchView): boolean => {
    patience.progressed();
    onChange(batch);
    return isFinished(batch);
  };
  for (;;) {
    try {
      if (hasEvents) {
        let seen = 0;
        for await (const { data } of readEvents(client.batchEvents(batchId))) {
          const batch = batchOf(data);
          if (batch === undefined) continue;
          seen++;
          if (look(batch)) return batch;
        }
        hasEvents = seen > 0;
      }
      const batch = await client.getBatch(batchId);
      if (look(batch)) return batch;
      await pause(signal);
    } catch (error) {
      if (hasEvents && isNotOffered(error)) hasEvents = false;
      else await patience.wait(error, true);
    }
  }
}

function batchOf(data: string): BatchView | undefined {
  try {
    return batchSchema.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

/** A proxy or an older server without events; a batch that is not there is then found missing. */
function isNotOffered(error: unknown): boolean {
  return error instanceof ServerError && [404, 405, 406, 501].includes(error.status ?? 0);
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await sleep(pollMs, undefined, { signal });
  } catch (cause) {
    throw new CertmillError('FAULT_STOPPING', 'stopped', { cause });
  }
}
