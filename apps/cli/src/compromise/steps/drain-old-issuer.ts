import { factsOf } from '@certmill/trust/compromise';
import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { formatNumber } from '../../terminal/quantities.js';
import { closedIn, closeOrders } from '../close-orders.js';
import { type Population, populationUnder } from '../population.js';
import { lookUntil, type NotingStep, type StepContext } from '../step-context.js';
import { turnedAway } from '../turned-away.js';

/** Looks in a row that see nothing on its way: a call that ran when the issuer was given up is over then. */
const quietLooks = 2;

/**
 * Everything that was accepted under the old issuer has ended: what there is to leave is known, and whom the closing of
 * orders has left without a certificate. Orders that are open are closed behind it.
 */
export const drainOldIssuer: NotingStep = async (context, run, note) => {
  const { wish, createdAtMs } = run.plan;
  let population = await drained(context, wish.issuer);
  let closed = closedIn(factsOf(run, 'close'));
  if (!wish.isCaFirst) {
    closed = await closeOrders(context, run, note);
    // Nothing comes in any more: a straggler would be counted.
    if (closed.length > 0) population = await drained(context, wish.issuer);
  }
  const { profiles, issued, deadLettered } = population;
  const { requests, batches } = await turnedAway(context.client, closed, createdAtMs);
  return {
    ...{ profiles: [...profiles.keys()], issued, deadLettered },
    ...(requests === 0 ? {} : { turnedAway: requests, turnedAwayIn: batches }),
  };
};

async function drained(
  { client, terminal, circumstances }: StepContext,
  issuer: string,
): Promise<Population> {
  let quiet = 0;
  using progress = terminal.progress('ended');
  return await lookUntil({
    async look() {
      const seen = await populationUnder(client, issuer);
      quiet = seen.inFlight === 0 ? quiet + 1 : 0;
      const ended = seen.issued + seen.deadLettered;
      progress.update({ done: ended, total: ended + seen.inFlight });
      return seen;
    },
    isThere: () => quiet >= quietLooks,
    pauseMs: lookAgainMs,
    wait: (ms) => waitFor(terminal, ms, 'stopped while requests were on their way'),
    elapsedMs: () => performance.now(),
    timeoutSeconds: circumstances.timeoutSeconds,
    missing: ({ inFlight }) =>
      `${formatNumber(inFlight)} requests under '${issuer}' are still on their way`,
  });
}
