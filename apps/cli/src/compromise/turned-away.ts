import { linesOf } from '@certmill/pipeline';
import type { IssuanceClient } from '../client/issuance-client.js';

/** Requests that were accepted and then rejected, their order being closed. */
export interface TurnedAway {
  readonly requests: number;
  /** `ORDER/BATCH: COUNT`, for each batch that has some. */
  readonly batches: readonly string[];
}

/** Beyond what the clocks of this machine and of the servers are apart. */
const clocksApartMs = 86_400_000;

/**
 * Counts them in the orders that were closed, by what the batches tell: whoever asks again finds the same.
 * @param sinceMs when the run began; what had ended long before is not read.
 */
export async function turnedAway(
  client: Pick<IssuanceClient, 'listBatches' | 'batchResults' | 'patience'>,
  orders: readonly string[],
  sinceMs: number,
): Promise<TurnedAway> {
  const batches: string[] = [];
  let requests = 0;
  for (const orderId of orders) {
    for (const { batchId, counters, completedAt } of await client.listBatches(orderId)) {
      if (counters.rejected === 0) continue;
      if (completedAt !== undefined && Date.parse(completedAt) < sinceMs - clocksApartMs) continue;
      const count = await closedOnesOf(client, batchId);
      if (count === 0) continue;
      requests += count;
      batches.push(`${orderId}/${batchId}: ${String(count)}`);
    }
  }
  return { requests, batches };
}

async function closedOnesOf(
  client: Pick<IssuanceClient, 'batchResults' | 'patience'>,
  batchId: string,
): Promise<number> {
  const patience = client.patience();
  for (;;) {
    try {
      let count = 0;
      for await (const lines of linesOf(client.batchResults(batchId, 'rejections'))) {
        count += lines.filter((line) => codeIn(line) === 'ORDER_CLOSED').length;
      }
      return count;
    } catch (error) {
      await patience.wait(error, true);
    }
  }
}

function codeIn(line: Buffer): unknown {
  return (JSON.parse(line.toString('utf8')) as { readonly code?: unknown }).code;
}
