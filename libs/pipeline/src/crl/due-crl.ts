import type { Clock, CrlScope, CrlStore, RevocationStore, StoredCrl } from '@certmill/ports';
import { type CrlPolicy, isDue } from './crl-policy.js';

export interface DueCrlPorts {
  readonly revocations: Pick<RevocationStore, 'countChanges'>;
  readonly crls: Pick<CrlStore, 'describeCrl'>;
  readonly clock: Clock;
}

type DescribedCrl = Omit<StoredCrl, 'der'>;

/** The CRLs of a scope that are in force. */
export interface CrlsInForce {
  readonly full: DescribedCrl | undefined;
  readonly delta: DescribedCrl | undefined;
}

export async function crlsInForce(
  crls: Pick<CrlStore, 'describeCrl'>,
  scope: CrlScope,
): Promise<CrlsInForce> {
  const [full, delta] = await Promise.all([
    crls.describeCrl(scope, 'full'),
    crls.describeCrl(scope, 'delta'),
  ]);
  return { full, delta };
}

/**
 * What is to be made by time, whatever has changed. A full CRL that does not point to deltas where there
 * are some, or does where there are none, is made anew first: nobody would look for a change there.
 */
export function kindDue(
  { deltaLifetimeMs }: CrlPolicy,
  { full, delta }: CrlsInForce,
  nowMs: number,
): StoredCrl['kind'] | undefined {
  const hasDeltas = deltaLifetimeMs !== undefined;
  if (isDue(full, nowMs) || full?.hasDeltas !== hasDeltas) return 'full';
  return hasDeltas && isDue(delta, nowMs) ? 'delta' : undefined;
}

/** Which CRL of a scope is to be made now, by time or by change; undefined where those in force do. */
export async function dueCrl(
  { revocations, crls, clock }: DueCrlPorts,
  policy: CrlPolicy,
  scope: CrlScope,
): Promise<StoredCrl['kind'] | undefined> {
  const inForce = await crlsInForce(crls, scope);
  const byTime = kindDue(policy, inForce, clock.nowMs());
  if (byTime !== undefined) return byTime;
  const kind = policy.deltaLifetimeMs === undefined ? 'full' : 'delta';
  return inForce[kind]?.changes === (await revocations.countChanges(scope)) ? undefined : kind;
}
