import { factsOf, revokeOperationOf } from '@certmill/trust/compromise';
import { massWork } from '../mass-work.js';
import type { Step } from '../step-context.js';

/** Every certificate of the old issuer is revoked. */
export const revokePopulation: Step = async (context, run) => {
  const { wish, deviceReason: reason } = run.plan;
  const { issued, deadLettered } = factsOf(run, 'drain');
  // The server refuses an operation over nothing.
  if (issued === 0 && deadLettered === 0) return { revoked: 0, before: 0, pending: 0 };
  const { operationId, counts } = await massWork(context, {
    operationId: revokeOperationOf(wish),
    selection: { issuer: wish.issuer },
    work: { kind: 'revoke', reason },
    ...(wish.ratePerSecond === undefined ? {} : { ratePerSecond: wish.ratePerSecond }),
  });
  const { changed: revoked, unchanged, refused, pending } = counts;
  // Refused are those that were revoked for good for another reason.
  return { operations: [operationId], reason, revoked, before: unchanged + refused, pending };
};
