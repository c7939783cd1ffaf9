import { CertmillError, type Profile, type SerialKey, type TenantId } from '@certmill/domain';
import { compileProfile } from '@certmill/pipeline/compute';
import { softwareSlot, type SigningIssuer } from '@certmill/signing';
import {
  developmentPassphraseFileOf,
  findPassphrase,
  loadIssuers,
  openSerialKeys,
  type Issuer,
  type PassphraseSource,
} from '@certmill/trust';
import type { StandaloneConfig } from './config.js';

/** An issuer with the tenants that it serves; every tenant where absent. */
export interface ServingIssuer extends Issuer {
  readonly tenants?: readonly TenantId[];
}

/** The issuers of a data folder and what signing with them takes. */
export interface IssuerSet {
  readonly all: readonly ServingIssuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly serialKeyId: number;
  readonly passphrase: PassphraseSource;
}

/** CONFIG_INVALID where the folder has no issuer yet, or other ones than are configured. */
export async function openIssuers(
  dataDirectory: string,
  { passphraseFile, issuers: configured }: Pick<StandaloneConfig, 'passphraseFile' | 'issuers'>,
): Promise<IssuerSet> {
  const loaded = await loadIssuers(dataDirectory);
  if (loaded.length === 0) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${dataDirectory} has no issuing CA; make one with 'certmill ca init' or take one in with 'certmill ca import'`,
    );
  }
  const all = boundToTenants(loaded, configured, dataDirectory);
  const { all: serialKeys, current } = await openSerialKeys(dataDirectory);
  const passphrase =
    passphraseFile === undefined
      ? await findPassphrase({
          environment: process.env,
          developmentFile: developmentPassphraseFileOf(dataDirectory),
        })
      : { file: passphraseFile };
  return { all, serialKeys, serialKeyId: current.id, passphrase };
}

/**
 * Each issuer with its tenants. Where the configuration speaks of issuers it speaks of all of them: a
 * new one, or a name with a slip in it, never serves every tenant by oversight.
 */
export function boundToTenants(
  issuers: readonly Issuer[],
  configured: StandaloneConfig['issuers'],
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

/** One software slot per issuer: the key file of its folder. */
export function signingIssuers(
  issuers: IssuerSet,
  slotModule: string | undefined,
): SigningIssuer[] {
  const { passphrase } = issuers;
  return issuers.all.map((issuer) => ({
    name: issuer.name,
    chainDer: issuer.chainDer,
    ...(issuer.tenants === undefined ? {} : { tenants: issuer.tenants }),
    slots: [
      softwareSlot({
        name: `${issuer.name}-file`,
        keyFile: issuer.keyFile,
        passphrase:
          'file' in passphrase ? passphrase : { environment: passphrase.environmentVariable },
        ...(slotModule === undefined ? {} : { slotModule }),
      }),
    ],
  }));
}

/** True where certificates of the profile fit under the issuer. */
export function isCompilable(profile: Profile, issuer: Issuer): boolean {
  try {
    compileProfile(profile, issuer);
    return true;
  } catch {
    return false;
  }
}
