import { RevokedEntries } from '@certmill/der';
import { CertmillError, crlReasons } from '@certmill/domain';
import type {
  Clock,
  CrlScope,
  CrlSigner,
  CrlStore,
  RevocationStore,
  RevokedCertificate,
  RevokedPageRequest,
  StoredCrl,
} from '@certmill/ports';
import { isToCome } from '../issuance-clock.js';
import type { CrlPolicy } from './crl-policy.js';
import { crlsInForce } from './due-crl.js';
import { listScope } from './list-scope.js';

export interface CrlPorts {
  readonly revocations: Pick<RevocationStore, 'countChanges' | 'listRevoked'>;
  readonly crls: CrlStore;
  readonly signer: CrlSigner;
  readonly clock: Clock;
}

export type CrlKind = StoredCrl['kind'];

/** `stored` is false where another process has put one meanwhile: that one is in force. */
export interface BuiltCrl extends Omit<StoredCrl, 'der'> {
  readonly stored: boolean;
  readonly bytes: number;
  readonly slot: string;
}

/**
 * Makes the CRL of a scope and puts it in force. What was revoked before the call is in it. A delta
 * is of what changed since the full CRL in force; without one a full CRL is made.
 * Faults: FAULT_CLOCK_BACKWARDS where the clock is more than 5 s behind the last CRL and the policy does not
 * say that it is right, and those of the stores and of `CrlSigner`; then the CRL in force stays.
 */
export async function buildCrl(
  ports: CrlPorts,
  policy: CrlPolicy,
  scope: CrlScope,
  kind: CrlKind,
): Promise<BuiltCrl> {
  const { revocations, crls } = ports;
  const inForce = await crlsInForce(crls, scope);
  const { full, delta } = inForce;
  const base = kind === 'delta' ? full : undefined;
  const lastMs = Math.max(full?.thisUpdateMs ?? 0, delta?.thisUpdateMs ?? 0);
  const thisUpdateMs = timeAfter(lastMs, ports.clock, policy);
  const crlNumber = numberOf(thisUpdateMs, full, delta);
  const lifetimeMs = base === undefined ? policy.lifetimeMs : policy.deltaLifetimeMs;
  const nextUpdateMs = thisUpdateMs + (lifetimeMs ?? policy.lifetimeMs);
  // After the CRL that this one is to replace was looked up, so it has what that one has. What changes
  // from here on may be in it, or be the next one's: it has so many at least.
  const changes = await revocations.countChanges(scope);
  const listed =
    base === undefined ? listedInFull(full, thisUpdateMs) : { changedSince: base.changes };
  const entries = await readEntries(revocations, scope, thisUpdateMs, listed);
  const hasDeltas = policy.deltaLifetimeMs !== undefined;
  const { der, slot } = await ports.signer.signCrl({
    scope,
    crlNumber,
    ...(base === undefined ? {} : { baseCrlNumber: base.crlNumber }),
    thisUpdateMs,
    nextUpdateMs,
    hasDeltas,
    entries: entries.bytes,
  });
  const crl = {
    scope,
    kind: base === undefined ? ('full' as const) : ('delta' as const),
    crlNumber,
    thisUpdateMs,
    nextUpdateMs,
    entries: entries.length,
    changes,
    hasDeltas: base === undefined && hasDeltas,
  };
  const stored = await crls.putCrl({ ...crl, der }, inForce[crl.kind]?.crlNumber);
  return { ...crl, stored, bytes: der.length, slot };
}

/** Now, and not before the last CRL. Faults: FAULT_CLOCK_BACKWARDS. */
function timeAfter(
  lastMs: number,
  clock: Clock,
  { replacesFutureUntilMs = 0 }: Pick<CrlPolicy, 'replacesFutureUntilMs'>,
): number {
  const nowMs = clock.nowMs();
  if (!isToCome(lastMs, nowMs)) return Math.max(nowMs, lastMs);
  if (nowMs < replacesFutureUntilMs) return nowMs;
  const behindSeconds = String(Math.round((lastMs - nowMs) / 1_000));
  throw new CertmillError(
    'FAULT_CLOCK_BACKWARDS',
    `the clock is ${behindSeconds} s behind the CRL in force: set it right; where it is right and was ahead when that ` +
      'CRL was made, say so (docs/runbooks/clock-backwards.md)',
  );
}

/**
 * The time in ms, above that of any CRL of the scope, full or delta (RFC 5280 5.2.3): it goes on upwards
 * also where a store was restored to an earlier time (ADR 0020).
 */
function numberOf(
  thisUpdateMs: number,
  ...last: readonly (Pick<StoredCrl, 'crlNumber'> | undefined)[]
): bigint {
  return last.reduce(
    (number, crl) => (crl !== undefined && crl.crlNumber >= number ? crl.crlNumber + 1n : number),
    BigInt(thisUpdateMs),
  );
}

/** All but what the full CRL in force, or one before it, has had beyond its end (RFC 5280 3.3). */
function listedInFull(
  inForce: Pick<StoredCrl, 'thisUpdateMs' | 'changes'> | undefined,
  thisUpdateMs: number,
): Pick<RevokedPageRequest, 'without'> {
  if (inForce === undefined) return {};
  const endedBeforeMs = Math.min(thisUpdateMs, inForce.thisUpdateMs);
  return { without: { endedBeforeMs, changes: inForce.changes } };
}

async function readEntries(
  revocations: Pick<RevocationStore, 'listRevoked'>,
  scope: CrlScope,
  thisUpdateMs: number,
  which: Pick<RevokedPageRequest, 'changedSince' | 'without'>,
): Promise<RevokedEntries> {
  const entries = RevokedEntries.empty();
  for await (const page of listScope(revocations, scope, which)) {
    for (const revoked of page) addEntry(entries, revoked, thisUpdateMs);
  }
  return entries;
}

/** Clocks of other processes may be ahead: no CRL has a revocation that is to come. */
function addEntry(
  entries: RevokedEntries,
  { serialNumber, revokedAtMs, reason, invalidityDateMs }: RevokedCertificate,
  thisUpdateMs: number,
): void {
  entries.add({
    serialNumber,
    revocationSeconds: Math.floor(Math.min(revokedAtMs, thisUpdateMs) / 1_000),
    reason: crlReasons[reason],
    ...(invalidityDateMs === undefined
      ? {}
      : { invaliditySeconds: Math.max(0, Math.floor(invalidityDateMs / 1_000)) }),
  });
}
