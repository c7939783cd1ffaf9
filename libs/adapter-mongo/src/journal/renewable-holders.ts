import type { Locator } from '@certmill/packed';
import type { RequestPlace } from './claim-journal.js';
import type { Obstacles } from './find-obstacles.js';
import type { IsRenewable, Judgement } from './judge.js';

/**
 * The requests that stand in the way of orders that renew, and have their certificates, which are not on
 * hold. What is of the same batch is a duplicate in it. Undefined where there are none, and what was judged stands.
 */
export async function renewableHolders(
  judgements: readonly Judgement[],
  { codeOf, placeOf }: Obstacles,
  areHeld: (requests: readonly RequestPlace[]) => Promise<readonly boolean[]>,
): Promise<IsRenewable | undefined> {
  const holders: { readonly batchId: string; readonly holder: Locator }[] = [];
  for (const { candidate, refusals } of judgements) {
    if (candidate.order.renews !== true) continue;
    const { batchId } = candidate.decision.chunk;
    for (const { why } of refusals) {
      if (typeof why === 'string' || why.kind !== 'device-claimed') continue;
      if (codeOf(batchId, why) === 'DEVICE_ALREADY_ISSUED') {
        holders.push({ batchId, holder: why.holder });
      }
    }
  }
  if (holders.length === 0) return undefined;
  const held = await areHeld(holders.map(({ holder }) => placeOf(holder)));
  const renewable = new Set(
    holders.filter((_, i) => held[i] !== true).map(({ batchId, holder }) => keyOf(batchId, holder)),
  );
  return (batchId, holder) => renewable.has(keyOf(batchId, holder));
}

function keyOf(batchId: string, { seq, index }: Locator): string {
  return `${batchId}:${String(seq)}:${String(index)}`;
}
