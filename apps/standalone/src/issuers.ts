import { CertmillError, type SerialKey } from '@certmill/domain';
import { softwareSlot, type SigningIssuer } from '@certmill/signing';
import {
  boundToTenants,
  developmentPassphraseFileOf,
  findPassphrase,
  loadIssuers,
  openSerialKeys,
  type PassphraseSource,
  type ServingIssuer,
} from '@certmill/trust';
import type { StandaloneConfig } from './config.js';

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
    ...(issuer.status === undefined ? {} : { status: issuer.status }),
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
