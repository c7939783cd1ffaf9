import { chunkIdOf, hasExpired, type ChunkRef } from '@certmill/domain';
import type { Locator } from '@certmill/packed';
import type { CertificatePlace } from '@certmill/ports';
import type { RequestPlace } from './claim-journal.js';
import type { Obstacles } from './find-obstacles.js';
import type { IsReplaceable, Judgement } from './judge.js';

interface Holder {
  /** That wants the device. */
  readonly chunk: ChunkRef;
  readonly holder: Locator;
}

/**
 * The requests that stand in the way with certificates that had expired when the chunk was received, and of
 * orders that renew those whose certificates are not on hold; of one that reissues, the expected ones. What is of the same batch is a duplicate in it.
 * Undefined where there are none, and what was judged stands.
 */
export async function replaceableHolders(
  judgements: readonly Judgement[],
  { codeOf, notAfterOf, placeOf }: Obstacles,
  areHeld: (requests: readonly RequestPlace[]) => Promise<readonly boolean[]>,
): Promise<IsReplaceable | undefined> {
  const replaceable = new Set<string>();
  const toRenew: Holder[] = [];
  for (const { candidate, refusals } of judgements) {
    const { decision, order } = candidate;
    const { chunk, receivedAtMs, expectedHolders } = decision;
    for (const { position, why } of refusals) {
      if (typeof why === 'string' || why.kind !== 'device-claimed') continue;
      if (codeOf(chunk.batchId, why) !== 'DEVICE_ALREADY_ISSUED') continue;
      const notAfterMs = notAfterOf(why);
      const conflict = { chunk, holder: why.holder };
      if (notAfterMs !== undefined && hasExpired(notAfterMs, receivedAtMs)) {
        replaceable.add(keyOf(conflict));
      } else if (
        order.renews === true &&
        isExpected(placeOf(why.holder), expectedHolders?.[position])
      ) {
        toRenew.push(conflict);
      }
    }
  }
  const held = toRenew.length > 0 ? await areHeld(toRenew.map((one) => placeOf(one.holder))) : [];
  for (const [i, one] of toRenew.entries()) if (held[i] !== true) replaceable.add(keyOf(one));
  if (replaceable.size === 0) return undefined;
  return (chunk, holder) => replaceable.has(keyOf({ chunk, holder }));
}

function isExpected(
  { chunk, index }: RequestPlace,
  expectedHolder: CertificatePlace | undefined,
): boolean {
  return (
    expectedHolder === undefined ||
    (expectedHolder.batchId === chunk.batchId && expectedHolder.index === index)
  );
}

function keyOf({ chunk, holder: { seq, index } }: Holder): string {
  return `${chunkIdOf(chunk)}:${String(seq)}:${String(index)}`;
}
