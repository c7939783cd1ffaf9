import { CertmillError, type Profile, type TenantId } from '@certmill/domain';
import { compileProfile } from '@certmill/pipeline/compute';
import type { Issuer } from './load-issuers.js';

/** An issuer with the tenants that it serves; every tenant where absent. */
export interface ServingIssuer extends Issuer {
  readonly tenants?: readonly TenantId[];
  /** Nobody knows now whether it is revoked: what a CA above it has revoked cannot be read. */
  readonly isUnjudged?: boolean;
  /** This process has no key of it: it tells of what the issuer has signed, and signs nothing for it. */
  readonly isKeyAway?: boolean;
}

/** Whether nobody knows now if the issuer signs. That passes: what comes for it comes again. */
export function isUndecided({
  revoked,
  isUnjudged,
}: Pick<ServingIssuer, 'revoked' | 'isUnjudged'>): boolean {
  return revoked === undefined && isUnjudged === true;
}

/** What a configuration says of issuers, by name. */
export type IssuerBindings = Readonly<
  Record<string, { readonly tenants: 'all' | readonly TenantId[] }>
>;

/**
 * Each issuer with its tenants. Where the configuration speaks of issuers it speaks of all of them: a
 * new one, or a name with a slip in it, never serves every tenant by oversight.
 */
export function boundToTenants(
  issuers: readonly Issuer[],
  configured: IssuerBindings | undefined,
  dataDirectory: string,
): readonly ServingIssuer[] {
  if (configured === undefined) return issuers;
  const names = new Set(issuers.map(({ name }) => name));
  const entries = new Map(Object.entries(configured));
  const reasons = [...entries.keys()]
    .filter((name) => !names.has(name))
    .map((name) => `issuers: ${dataDirectory} has no issuer '${name}'`);
  const bound = issuers.map((issuer): ServingIssuer => {
    const tenants = entries.get(issuer.name)?.tenants;
    if (tenants === undefined) {
      reasons.push(
        `issuers: say which tenants issuer '${issuer.name}' serves: ` +
          `${issuer.name}: { tenants: [NAME] }, or tenants: all`,
      );
    }
    return tenants === 'all' || tenants === undefined ? issuer : { ...issuer, tenants };
  });
  if (reasons.length > 0) throw new CertmillError('CONFIG_INVALID', reasons.join('\n'));
  return bound;
}

export function doesServe(issuer: ServingIssuer, tenant: TenantId): boolean {
  return issuer.tenants === undefined || issuer.tenants.includes(tenant);
}

/** Why certificates of the profile cannot stand under the issuer; undefined where they can. */
export function compileRefusal(profile: Profile, issuer: Issuer): string | undefined {
  try {
    compileProfile(profile, issuer);
    return undefined;
  } catch (error) {
    return error instanceof CertmillError ? error.message : String(error);
  }
}
