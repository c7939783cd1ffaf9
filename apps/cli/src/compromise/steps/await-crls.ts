import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { formatNumber } from '../../terminal/quantities.js';
import { lookUntil, type Step } from '../step-context.js';

/**
 * Everybody can fetch full CRLs that have what was revoked: who asks for no deltas knows of it too. Where
 * deltas bring it, full ones are made by time alone, so they are asked for; again with each look, since
 * that adds nothing while they are to be made.
 */
export const awaitCrls: Step = async ({ client, terminal, old, circumstances }, { plan }) => {
  const { issuer } = plan.wish;
  // After its end nobody makes them, and nobody asks for them.
  if (old.notAfterMs < Date.now()) return { isExpired: true };
  using progress = terminal.progress('full CRLs up to date');
  const { shards, full } = await lookUntil({
    async look() {
      const seen = await client.crlState(issuer);
      progress.update({ done: seen.shards - seen.full.behind, total: seen.shards });
      if (seen.full.behind > 0) await client.demandCrls(issuer, 'full');
      return seen;
    },
    isThere: (seen) => seen.full.behind === 0,
    pauseMs: lookAgainMs,
    wait: (ms) => waitFor(terminal, ms, 'stopped while CRLs were made'),
    elapsedMs: () => performance.now(),
    timeoutSeconds: circumstances.timeoutSeconds,
    missing: (seen) =>
      `${formatNumber(seen.full.behind)} full CRLs of '${issuer}' do not have yet what was revoked`,
  });
  return { crls: shards, entries: full.entries };
};
