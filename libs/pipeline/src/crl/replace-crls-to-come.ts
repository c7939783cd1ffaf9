import { CertmillError } from '@certmill/domain';
import type { AuditStore, CrlScope } from '@certmill/ports';
import { recordAudit } from '../revoke/record-audit.js';
import { buildCrl, type BuiltCrl, type CrlKind, type CrlPorts } from './build-crl.js';
import type { CrlPolicy } from './crl-policy.js';
import { crlsInForce, crlsToCome } from './due-crl.js';

/** CRLs of one issuer, and who says that the clock is right now. */
export interface CrlsToReplace {
  readonly scopes: readonly CrlScope[];
  readonly actor: string;
}

/**
 * Puts CRLs of now, with higher numbers, in the place of those that were made with a clock that was ahead: full
 * ones, and deltas where there are any. What is not to come stays; what was killed goes on when it is called again.
 * In the audit trail before the first one and after the last. Faults: CONFLICT where none is to come, those of
 * `buildCrl` and of the audit trail.
 */
export async function replaceCrlsToCome(
  ports: CrlPorts & { readonly audit: Pick<AuditStore, 'appendAudit'> },
  policy: CrlPolicy,
  { scopes, actor }: CrlsToReplace,
): Promise<readonly BuiltCrl[]> {
  const found: { readonly scope: CrlScope; readonly kinds: readonly CrlKind[] }[] = [];
  const timesMs: number[] = [];
  for (const scope of scopes) {
    const inForce = await crlsInForce(ports.crls, scope);
    const toCome = crlsToCome(inForce, ports.clock.nowMs());
    if (toCome.length === 0) continue;
    timesMs.push(...toCome.map(({ thisUpdateMs }) => thisUpdateMs));
    found.push({ scope, kinds: inForce.delta === undefined ? ['full'] : ['full', 'delta'] });
  }
  const issuer = scopes[0]?.issuer ?? '';
  if (found.length === 0) {
    throw new CertmillError(
      'CONFLICT',
      `no CRL of issuer '${issuer}' has a thisUpdate that is to come: there is nothing to replace`,
    );
  }
  const shards = found.map(({ scope }) => scope.shard).join(' ');
  const latestThisUpdate = new Date(timesMs.reduce((last, ms) => Math.max(last, ms))).toISOString();
  const detail = { issuer, shards, latestThisUpdate };
  await recordAudit(ports, { actor, action: 'crl.replacement.begun', detail });
  const correcting = { ...policy, replacesFutureUntilMs: Infinity };
  const made: BuiltCrl[] = [];
  for (const { scope, kinds } of found) {
    for (const kind of kinds) made.push(await buildCrl(ports, correcting, scope, kind));
  }
  const ended = { issuer, shards, crls: made.length };
  await recordAudit(ports, { actor, action: 'crl.replacement.ended', detail: ended });
  return made;
}
