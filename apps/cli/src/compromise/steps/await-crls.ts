import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { formatNumber } from '../../terminal/quantities.js';
import { lookUntil, type Step } from '../step-context.js';

/** Everybody can fetch CRLs that have what was revoked. */
export const awaitCrls: Step = async ({ client, terminal, old, circumstances }, { plan }) => {
  const { issuer } = plan.wish;
  // After its end nobody makes them, and nobody asks for them.
  if (old.notAfterMs < Date.now()) return { isExpired: true };
  using progress = terminal.progress('CRLs up to date');
  const { shards, entries } = await lookUntil({
    async look() {
      const seen = await client.crlState(issuer);
      progress.update({ done: seen.shards - seen.behind, total: seen.shards });
      return seen;
    },
    isThere: ({ behind }) => behind === 0,
    pauseMs: lookAgainMs,
    wait: (ms) => waitFor(terminal, ms, 'stopped while CRLs were made'),
    elapsedMs: () => performance.now(),
    timeoutSeconds: circumstances.timeoutSeconds,
    missing: ({ behind }) =>
      `${formatNumber(behind)} CRLs of '${issuer}' do not have yet what was revoked`,
  });
  return { crls: shards, entries };
};
