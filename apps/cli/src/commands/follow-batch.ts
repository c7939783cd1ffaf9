import type { IssuanceClient } from '../client/issuance-client.js';
import type { BatchView } from '../client/views.js';
import { watchBatch } from '../client/watch-batch.js';
import { exitCodes } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/terminal.js';

/** Shows the progress of a batch until its end and sets the exit code by its outcome. */
export async function followBatch(
  client: IssuanceClient,
  batchId: string,
  terminal: Terminal,
): Promise<BatchView> {
  using progress = terminal.progress('done');
  const batch = await watchBatch(client, batchId, terminal.signal, ({ counters, total }) => {
    progress.update({
      done: counters.accepted - counters.inFlight,
      rejected: counters.rejected,
      ...(total === undefined ? {} : { total }),
    });
  });
  const { accepted, issued, deadLettered } = batch.counters;
  if (deadLettered > 0) terminal.exitCode = exitCodes.couldNotRun;
  // Cancelled requests have no certificate either.
  else if (issued < accepted) terminal.exitCode = exitCodes.someRejected;
  return batch;
}
