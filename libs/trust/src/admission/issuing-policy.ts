import { CertmillError, type Profile, type TenantId } from '@certmill/domain';
import type { Clock } from '@certmill/ports';
import { doesServe, isCompilable, type ServingIssuer } from '../hierarchy/serving-issuers.js';
import { admitProfile } from './admit-profile.js';
import { requestsPerChunk } from './chunk-bound.js';

/** Which issuer signs what for whom: what ingest asks before anything is durable. */
export interface IssuingPolicy {
  serves(issuer: string, tenant: TenantId): boolean;
  /** Whether the issuer serves the tenant and certificates of the profile fit under it. */
  isSignable(issuer: string, tenant: TenantId, profile: Profile): boolean;
  /** How many requests of an admitted profile may share a chunk under the issuer, which MUST be there. */
  requestsPerChunk(issuer: string, profile: Profile): Promise<number>;
  /** The first that serves the tenant; CONFLICT where none does. */
  defaultIssuerOf(tenant: TenantId): string;
  /** Certificates from the issuing CA up to the root, DER. */
  chainOf(issuer: string): readonly Uint8Array[] | undefined;
  /** Of its CRL; 0 where it has one of everything, or none. Undefined for an unknown issuer. */
  crlShardsOf(issuer: string): number | undefined;
  /** Checks a profile against the issuers of a tenant; PROFILE_INVALID with clause, CONFLICT. */
  admit(tenant: TenantId, profile: Profile): Promise<void>;
}

export function issuingPolicy(issuers: readonly ServingIssuer[], clock: Clock): IssuingPolicy {
  const byName = new Map(issuers.map((issuer) => [issuer.name, issuer]));
  const servingOf = (tenant: TenantId): readonly [ServingIssuer, ...ServingIssuer[]] => {
    const [first, ...others] = issuers.filter((issuer) => doesServe(issuer, tenant));
    if (first === undefined) throw new CertmillError('CONFLICT', 'no issuer serves this tenant');
    return [first, ...others];
  };
  return {
    serves(name, tenant) {
      const issuer = byName.get(name);
      return issuer !== undefined && doesServe(issuer, tenant);
    },
    isSignable(name, tenant, profile) {
      const issuer = byName.get(name);
      return issuer !== undefined && doesServe(issuer, tenant) && isCompilable(profile, issuer);
    },
    requestsPerChunk(name, profile) {
      const issuer = byName.get(name);
      if (issuer === undefined) throw new CertmillError('CONFLICT', `there is no issuer ${name}`);
      return requestsPerChunk(profile, issuer, clock.nowMs());
    },
    defaultIssuerOf: (tenant) => servingOf(tenant)[0].name,
    chainOf: (name) => byName.get(name)?.chainDer,
    crlShardsOf(name) {
      const issuer = byName.get(name);
      return issuer && (issuer.status?.crlShards ?? 0);
    },
    async admit(tenant, profile) {
      const serving = servingOf(tenant);
      for (const issuer of serving) {
        if (isCompilable(profile, issuer)) await admitProfile(profile, issuer, clock.nowMs());
      }
      // Orders name their issuer and are refused where the profile does not fit it: one is enough here.
      if (!serving.some((issuer) => isCompilable(profile, issuer))) {
        await admitProfile(profile, serving[0], clock.nowMs());
      }
    },
  };
}
