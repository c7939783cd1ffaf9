import type { CrlScope, CrlStore, RevocationStore } from '@certmill/ports';

/** How far the CRLs of an issuer are behind what was revoked. */
export interface CrlState {
  readonly issuer: string;
  /** CRLs that it has; 1 where there is one of everything. */
  readonly shards: number;
  /** Shards that have no CRL yet. */
  readonly missing: number;
  /** Shards in which something changed that no CRL in force has, full or delta. */
  readonly behind: number;
  /** Of all full CRLs in force together. */
  readonly entries: number;
  /** Of the oldest and of the one that ends first; absent where there is none. */
  readonly thisUpdateMs?: number;
  readonly nextUpdateMs?: number;
}

export interface CrlStatePorts {
  readonly revocations: Pick<RevocationStore, 'countChanges'>;
  readonly crls: Pick<CrlStore, 'describeCrl'>;
}

/** Calls of the store at once. */
const scopesAtOnce = 64;

/** By counts of changes, not by clocks: what is not `behind` is in a CRL that everybody can fetch. */
export async function crlStateOf(
  ports: CrlStatePorts,
  issuer: string,
  crlShards: number,
): Promise<CrlState> {
  const shards = Math.max(1, crlShards);
  let state: CrlState = { issuer, shards, missing: 0, behind: 0, entries: 0 };
  for (let first = 0; first < shards; first += scopesAtOnce) {
    const count = Math.min(scopesAtOnce, shards - first);
    const scopes = Array.from({ length: count }, (_, i) => ({ issuer, shard: first + i }));
    const found = await Promise.all(scopes.map((scope) => look(ports, scope)));
    state = found.reduce(withScope, state);
  }
  return state;
}

interface ScopeState {
  readonly isListed: boolean;
  readonly full: Awaited<ReturnType<CrlStore['describeCrl']>>;
}

async function look({ revocations, crls }: CrlStatePorts, scope: CrlScope): Promise<ScopeState> {
  // First: a change that comes meanwhile is the next call's business.
  const changes = await revocations.countChanges(scope);
  const [full, delta] = await Promise.all([
    crls.describeCrl(scope, 'full'),
    crls.describeCrl(scope, 'delta'),
  ]);
  // Exactly those: in a store that was restored, a CRL may be of changes that it does not know.
  const isListed = [full?.changes ?? 0, delta?.changes].includes(changes);
  return { isListed, full };
}

function withScope(state: CrlState, { isListed, full }: ScopeState): CrlState {
  const behind = state.behind + (isListed ? 0 : 1);
  if (full === undefined) return { ...state, behind, missing: state.missing + 1 };
  return {
    ...state,
    behind,
    entries: state.entries + full.entries,
    thisUpdateMs: Math.min(state.thisUpdateMs ?? Infinity, full.thisUpdateMs),
    nextUpdateMs: Math.min(state.nextUpdateMs ?? Infinity, full.nextUpdateMs),
  };
}
