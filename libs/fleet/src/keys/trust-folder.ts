import { type CaCrlEnd, CertmillError, type SerialKey } from '@certmill/domain';
import {
  boundToTenants,
  CaCrlEnds,
  type CatalogueOptions,
  findSerialKeys,
  IssuerCatalogue,
  loadAuthorities,
  type PublishedCas,
  publishedCas,
  StatusAuthorities,
} from '@certmill/trust';
import type { FleetConfig } from '../config/fleet-config.js';

/** The issuers that a fleet signs for, and the serial keys; no CA key. */
export interface Trust {
  /** As they are now. */
  readonly catalogue: IssuerCatalogue;
  /** The same with the CAs above them. */
  readonly authorities: StatusAuthorities;
  readonly serialKeys: readonly SerialKey[];
  readonly serialKeyId: number;
  /** What everybody may have of them. */
  readonly cas: PublishedCas & {
    shardsOf(issuer: string): number | undefined;
    caCrlEnds(): readonly CaCrlEnd[];
    firstCaCrlEndMs(): number | undefined;
  };
}

/**
 * `keyless` is about issuers that are added to the folder later. CONFIG_INVALID
 * where the folder is not configured, or holds no issuer or no serial key.
 */
export async function openTrust(
  { trust, issuers: configured }: Pick<FleetConfig, 'trust' | 'issuers'>,
  { keyless = 'served' }: Partial<Pick<CatalogueOptions, 'keyless'>> = {},
): Promise<Trust> {
  if (trust === undefined) {
    throw new CertmillError('CONFIG_INVALID', 'trust is missing: the folder of the issuers');
  }
  const all = await loadAuthorities(trust);
  const loaded = all.filter(({ role }) => role === 'issuing');
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
  const bound = boundToTenants(loaded, configured, trust);
  const elapsedMs = (): number => performance.now();
  const catalogue = new IssuerCatalogue({
    dataDirectory: trust,
    issuers: bound,
    configured,
    keyless,
    elapsedMs,
  });
  const authorities = new StatusAuthorities({
    dataDirectory: trust,
    catalogue,
    authorities: all,
    elapsedMs,
  });
  const caCrls = new CaCrlEnds(trust, catalogue);
  return {
    catalogue,
    authorities,
    cas: {
      ...publishedCas(trust),
      caCrlEnds: () => caCrls.list(),
      firstCaCrlEndMs: () => caCrls.firstEndMs(),
      shardsOf(name) {
        const issuer = catalogue.find(name);
        return issuer && (issuer.status?.crlShards ?? 0);
      },
    },
    serialKeys: serialKeys.all,
    serialKeyId: serialKeys.current.id,
  };
}
