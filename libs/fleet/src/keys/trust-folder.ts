import { CertmillError, type SerialKey } from '@certmill/domain';
import {
  boundToTenants,
  findSerialKeys,
  IssuerCatalogue,
  loadIssuers,
  type PublishedCas,
  publishedCas,
  type ServingIssuer,
} from '@certmill/trust';
import type { FleetConfig } from '../config/fleet-config.js';

/** The issuers that a fleet signs for, and the serial keys; no CA key. */
export interface Trust {
  readonly issuers: readonly ServingIssuer[];
  /** The same as they are now. */
  readonly catalogue: IssuerCatalogue;
  readonly serialKeys: readonly SerialKey[];
  readonly serialKeyId: number;
  /** What everybody may have of them. */
  readonly cas: PublishedCas & { shardsOf(issuer: string): number | undefined };
}

/** CONFIG_INVALID where the folder is not configured, or holds no issuer or no serial key. */
export async function openTrust({
  trust,
  issuers: configured,
}: Pick<FleetConfig, 'trust' | 'issuers'>): Promise<Trust> {
  if (trust === undefined) {
    throw new CertmillError('CONFIG_INVALID', 'trust is missing: the folder of the issuers');
  }
  const loaded = await loadIssuers(trust);
  if (loaded.length === 0) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `trust: ${trust} has no issuing CA; make one with 'certmill ca init --data ${trust}'`,
    );
  }
  // Made once, by whoever makes the hierarchy: services that made their own would not agree.
  const serialKeys = await findSerialKeys(trust);
  if (serialKeys === undefined) {
    throw new CertmillError('CONFIG_INVALID', `trust: ${trust} has no serial-keys.json`);
  }
  const issuers = boundToTenants(loaded, configured, trust);
  const byName = new Map(issuers.map((issuer) => [issuer.name, issuer]));
  return {
    issuers,
    catalogue: new IssuerCatalogue({
      dataDirectory: trust,
      issuers,
      configured,
      withKeys: false,
      elapsedMs: () => performance.now(),
    }),
    cas: {
      ...publishedCas(trust),
      shardsOf(name) {
        const issuer = byName.get(name);
        return issuer && (issuer.status?.crlShards ?? 0);
      },
    },
    serialKeys: serialKeys.all,
    serialKeyId: serialKeys.current.id,
  };
}
