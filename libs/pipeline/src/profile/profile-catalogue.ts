import type { Profile, TenantId } from '@certmill/domain';
import type { ProfileStore } from '@certmill/ports';

/** Profiles by hash, parsed once: a hash never changes its meaning, so entries never go stale. */
export interface ProfileCatalogue {
  get(tenant: TenantId, profileHash: string): Promise<Profile | undefined>;
  /** The canonical text that workers compile for themselves. */
  canonicalOf(profileHash: string): string | undefined;
}

interface Entry {
  readonly profile: Profile;
  readonly canonical: string;
}

/** Profiles in memory at once; the one used longest ago is forgotten first. */
const maxEntries = 1_000;

/** @param parse reads the canonical text; MUST accept what was admitted when it was stored. */
export function profileCatalogue(
  store: Pick<ProfileStore, 'getProfile'>,
  parse: (canonical: string) => Profile,
): ProfileCatalogue {
  const byHash = new Map<string, Entry>();
  /** A hash is content, but only a tenant that stored it may use it. */
  const known = new Set<string>();
  return {
    async get(tenant, profileHash) {
      const key = `${tenant}/${profileHash}`;
      const cached = byHash.get(profileHash);
      if (cached !== undefined && known.has(key)) {
        byHash.delete(profileHash);
        byHash.set(profileHash, cached);
        return cached.profile;
      }
      const stored = await store.getProfile(tenant, profileHash);
      if (stored === undefined) return undefined;
      const entry = cached ?? { profile: parse(stored.canonical), canonical: stored.canonical };
      if (cached === undefined && byHash.size >= maxEntries) {
        for (const oldest of byHash.keys()) {
          byHash.delete(oldest);
          break;
        }
      }
      byHash.set(profileHash, entry);
      if (known.size >= maxEntries) known.clear();
      known.add(key);
      return entry.profile;
    },
    canonicalOf: (profileHash) => byHash.get(profileHash)?.canonical,
  };
}
