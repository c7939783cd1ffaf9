import type { Clock, CrlScope, CrlStore, RevocationStore, StoredCrl } from '@certmill/ports';
import { isToCome } from '../issuance-clock.js';
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

/** Whether relying parties that have the full CRL take the delta: its number is above (RFC 5280 5.2.4 c). */
export function followsFull({ full, delta }: CrlsInForce): boolean {
  return full !== undefined && delta !== undefined && delta.crlNumber > full.crlNumber;
}

/** Of those in force the ones that were made with a clock that is or was ahead, by more than 5 s. */
export function crlsToCome({ full, delta }: CrlsInForce, nowMs: number): readonly DescribedCrl[] {
  const inForce = [full, delta].filter((crl) => crl !== undefined);
  return inForce.filter(({ thisUpdateMs }) => isToCome(thisUpdateMs, nowMs));
}

/**
 * What is to be made by time, whatever has changed. A full CRL that does not point to deltas where there
 * are some, or does where there are none, is made anew first: nobody would look for a change there. So is what is to
 * come: nobody takes it, and who cannot replace it tells so.
 */
export function kindDue(
  { deltaLifetimeMs }: CrlPolicy,
  inForce: CrlsInForce,
  nowMs: number,
): StoredCrl['kind'] | undefined {
  const { full, delta } = inForce;
  const [toCome] = crlsToCome(inForce, nowMs);
  if (toCome !== undefined) return toCome.kind;
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
  const changes = await revocations.countChanges(scope);
  const has = (kind: StoredCrl['kind']): boolean => inForce[kind]?.changes === changes;
  if (policy.deltaLifetimeMs === undefined) return has('full') ? undefined : 'full';
  // A full one that took longer to make than the delta beside it took that one's place, and may have less.
  return has('delta') && (followsFull(inForce) || has('full')) ? undefined : 'delta';
}
