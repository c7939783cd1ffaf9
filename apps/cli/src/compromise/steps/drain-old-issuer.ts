import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { formatNumber } from '../../terminal/quantities.js';
import { populationUnder } from '../population.js';
import { lookUntil, type Step } from '../step-context.js';

/** Looks in a row that see nothing on its way: an upload that ran when its order was closed is over then. */
const quietLooks = 2;

/** Everything that was accepted under the old issuer has ended: what there is to leave is known. */
export const drainOldIssuer: Step = async ({ client, terminal, circumstances }, { plan }) => {
  const { issuer } = plan.wish;
  let quiet = 0;
  using progress = terminal.progress('ended');
  const { profiles, issued, deadLettered } = await lookUntil({
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
  return { profiles: [...profiles.keys()], issued, deadLettered };
};
