import type { CrlStore, RevocationStore } from '@certmill/ports';
import { crlsInForce, type CrlsInForce, followsFull } from './due-crl.js';
import { inEveryShard } from './every-shard.js';

/** The CRLs of one kind that an issuer has in force, all shards together. */
export interface CrlsOfKind {
  readonly crls: number;
  /** Shards in which something changed that the CRL of this kind does not have. */
  readonly behind: number;
  readonly entries: number;
  /** Changes that they have. */
  readonly changes: number;
}

/** How far the CRLs of an issuer are behind what was revoked. */
export interface CrlState {
  readonly issuer: string;
  /** CRLs that it has; 1 where there is one of everything. */
  readonly shards: number;
  /** Shards that have no CRL yet. */
  readonly missing: number;
  /** Shards in which something changed that no CRL in force has, full or delta. */
  readonly behind: number;
  /** Changes that there were, in all shards. */
  readonly changes: number;
  /** What relying parties have that ask for no deltas. */
  readonly full: CrlsOfKind;
  /** Nothing where none are made. */
  readonly delta: CrlsOfKind;
  /** Of the oldest full CRL and of the one that ends first; absent where there is none. */
  readonly thisUpdateMs?: number;
  readonly nextUpdateMs?: number;
}

export interface CrlStatePorts {
  readonly revocations: Pick<RevocationStore, 'countChanges'>;
  readonly crls: Pick<CrlStore, 'describeCrl'>;
}

/** By counts of changes, not by clocks: what is not `behind` is in a CRL that everybody can fetch. */
export async function crlStateOf(
  { revocations, crls }: CrlStatePorts,
  issuer: string,
  crlShards: number,
): Promise<CrlState> {
  const scopes = await inEveryShard(issuer, crlShards, async (scope) => {
    // First: a change that comes meanwhile is the next call's business.
    const changes = await revocations.countChanges(scope);
    return { changes, ...(await crlsInForce(crls, scope)) };
  });
  const full = scopes.flatMap((scope) => (scope.full === undefined ? [] : [scope.full]));
  const delta = scopes.flatMap((scope) => (scope.delta === undefined ? [] : [scope.delta]));
  const least = (times: readonly number[]): number => times.reduce((a, b) => Math.min(a, b));
  return {
    issuer,
    shards: scopes.length,
    missing: scopes.length - full.length,
    behind: scopes.filter((scope) => !isListed(scope)).length,
    changes: sum(scopes, 'changes'),
    full: {
      crls: full.length,
      behind: scopes.filter((scope) => !hasAll(scope, 'full')).length,
      entries: sum(full, 'entries'),
      changes: sum(full, 'changes'),
    },
    delta: {
      crls: delta.length,
      behind: scopes.filter((scope) => scope.delta !== undefined && !hasAll(scope, 'delta')).length,
      entries: sum(delta, 'entries'),
      changes: sum(delta, 'changes'),
    },
    ...(full.length === 0
      ? {}
      : {
          thisUpdateMs: least(full.map(({ thisUpdateMs }) => thisUpdateMs)),
          nextUpdateMs: least(full.map(({ nextUpdateMs }) => nextUpdateMs)),
        }),
  };
}

interface LookedAt extends CrlsInForce {
  readonly changes: number;
}

function isListed(scope: LookedAt): boolean {
  return hasAll(scope, 'full') || (followsFull(scope) && hasAll(scope, 'delta'));
}

/** Exactly those: in a store that was restored, a CRL may be of changes that it does not know. */
function hasAll(scope: LookedAt, kind: 'full' | 'delta'): boolean {
  return (scope[kind]?.changes ?? 0) === scope.changes;
}

function sum<K extends string>(counted: readonly Readonly<Record<K, number>>[], of: K): number {
  return counted.reduce((total, each) => total + each[of], 0);
}
