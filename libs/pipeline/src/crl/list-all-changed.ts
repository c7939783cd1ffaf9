import type { ChangedScope, RevocationStore, ScopeFollower } from '@certmill/ports';

const scopesOfPage = 1_000;

/** All changed scopes of some issuers: none waits behind others. No more than the issuers have shards. */
export async function listAllChanged(
  revocations: Pick<RevocationStore, 'listChangedScopes'>,
  follower: ScopeFollower,
  issuers: readonly string[],
): Promise<readonly ChangedScope[]> {
  const changed: ChangedScope[] = [];
  for (;;) {
    const after = changed.at(-1);
    const page = await revocations.listChangedScopes(follower, {
      issuers,
      limit: scopesOfPage,
      ...(after === undefined ? {} : { after }),
    });
    changed.push(...page);
    if (page.length < scopesOfPage) return changed;
  }
}
