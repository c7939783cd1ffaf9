import type { Locator } from '@certmill/packed';
import type { CodeOfObstacle, IsRenewable, Judgement } from './judge.js';

/**
 * The requests that stand in the way of orders that renew, and have their certificates: that much is true
 * for ever. What is of the same batch is a duplicate in it. Undefined where there are none, and what was judged stands.
 */
export function renewableHolders(
  judgements: readonly Judgement[],
  codeOf: CodeOfObstacle,
): IsRenewable | undefined {
  const holders = new Set<string>();
  for (const { candidate, refusals } of judgements) {
    if (candidate.order.renews !== true) continue;
    const { batchId } = candidate.decision.chunk;
    for (const { why } of refusals) {
      if (typeof why === 'string' || why.kind !== 'device-claimed') continue;
      if (codeOf(batchId, why) === 'DEVICE_ALREADY_ISSUED')
        holders.add(placeOf(batchId, why.holder));
    }
  }
  return holders.size === 0
    ? undefined
    : (batchId, holder) => holders.has(placeOf(batchId, holder));
}

function placeOf(batchId: string, { seq, index }: Locator): string {
  return `${batchId}:${String(seq)}:${String(index)}`;
}
