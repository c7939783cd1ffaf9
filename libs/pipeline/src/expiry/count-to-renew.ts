import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError, livesLongEnough } from '@certmill/domain';
import type { TenantStore } from '@certmill/ports';
import { allPages } from '../revoke/all-pages.js';
import { certificatesToRenew, type ToRenewPorts } from './certificates-to-renew.js';

/** How many days ahead certificates are counted that devices are to renew, ascending. */
export const countedDays = [7, 30] as const;
export type CountedDays = (typeof countedDays)[number];

export type CountPorts = ToRenewPorts & { readonly tenants: Pick<TenantStore, 'listTenants'> };

/** What devices are to renew, of all tenants together. */
export interface ToRenewCounts {
  /** When the count began. */
  readonly countedAtMs: number;
  /** By issuer: certificates that end within so many days; issuers of which none end in 30 have none. */
  readonly byIssuer: ReadonlyMap<string, Readonly<Record<CountedDays, number>>>;
}

const dayMs = 86_400_000;

/** A count has a quarter of the time at most: what is issued and revoked goes first. */
const restsPerLook = 3;

/**
 * Counts with rests in between, so that it takes four times as long as its looks at the store do.
 * Faults: FAULT_STOPPING once the signal aborts, and those of the store.
 */
export async function countToRenew(ports: CountPorts, signal: AbortSignal): Promise<ToRenewCounts> {
  const countedAtMs = ports.clock.nowMs();
  const byIssuer = new Map<string, Record<CountedDays, number>>();
  const turn = restingTurns(signal);
  const untilMsOf = (lifeMs: number | undefined): number | undefined => {
    const days = countedDays.findLast((each) => livesLongEnough(lifeMs, each));
    return days === undefined ? undefined : countedAtMs + days * dayMs;
  };
  for await (const tenant of allPages((page) => ports.tenants.listTenants(page))) {
    await turn();
    const window = { nowMs: countedAtMs, untilMsOf, turn };
    for await (const { order, endsMs } of certificatesToRenew(ports, tenant, window)) {
      if (endsMs.length === 0) continue;
      const counts = byIssuer.get(order.issuer) ?? { 7: 0, 30: 0 };
      for (const days of countedDays) {
        counts[days] += endsMs.filter((endMs) => endMs <= countedAtMs + days * dayMs).length;
      }
      byIssuer.set(order.issuer, counts);
    }
  }
  return { countedAtMs, byIssuer };
}

/** Rests from each look in proportion to the time that it took. */
function restingTurns(signal: AbortSignal): () => Promise<boolean> {
  let begunMs = performance.now();
  return async () => {
    const spentMs = performance.now() - begunMs;
    // Aborted, it wakes at once, and what follows tells why.
    await sleep(restsPerLook * spentMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) {
      throw new CertmillError('FAULT_STOPPING', 'the process stops; what ends is counted later');
    }
    begunMs = performance.now();
    return true;
  };
}
