import { crlCountOf } from '@certmill/domain';
import type { CrlScope } from '@certmill/ports';

/** Calls of the store at once. */
const scopesAtOnce = 64;

/** Looks at the scopes of an issuer, some at once; results in the order of the shards. */
export async function inEveryShard<T>(
  issuer: string,
  crlShards: number,
  look: (scope: CrlScope) => Promise<T>,
): Promise<readonly T[]> {
  const shards = crlCountOf({ crlShards });
  const found: T[] = [];
  for (let first = 0; first < shards; first += scopesAtOnce) {
    const count = Math.min(scopesAtOnce, shards - first);
    const scopes = Array.from({ length: count }, (_, i) => ({ issuer, shard: first + i }));
    found.push(...(await Promise.all(scopes.map((scope) => look(scope)))));
  }
  return found;
}
