import { CertmillError, type Profile, type SerialKey } from '@certmill/domain';
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

/** The issuers of a data folder and what signing with them takes. */
export interface IssuerSet {
  readonly all: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly serialKeyId: number;
  readonly passphrase: PassphraseSource;
}

/** CONFIG_INVALID where the folder has no issuer yet. */
export async function openIssuers(
  dataDirectory: string,
  passphraseFile: string | undefined,
): Promise<IssuerSet> {
  const all = await loadIssuers(dataDirectory);
  if (all.length === 0) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${dataDirectory} has no issuing CA; make one with 'certmill ca init' or take one in with 'certmill ca import'`,
    );
  }
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
