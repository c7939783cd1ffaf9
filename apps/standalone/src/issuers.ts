import { CertmillError, type SerialKey } from '@certmill/domain';
import { softwareSlot, type SigningIssuer } from '@certmill/signing';
import {
  boundToTenants,
  developmentPassphraseFileOf,
  findPassphrase,
  IssuerCatalogue,
  loadIssuers,
  openSerialKeys,
  type PassphraseSource,
  refusalOf,
  type ServingIssuer,
} from '@certmill/trust';
import type { StandaloneConfig } from './config.js';

/** The issuers of a data folder and what signing with them takes. */
export interface IssuerSet {
  readonly catalogue: IssuerCatalogue;
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
  const bound = boundToTenants(loaded, configured, dataDirectory);
  const nowMs = Date.now();
  if (!bound.some((issuer) => issuer.hasKey && refusalOf(issuer, nowMs) === undefined)) {
    const reasons = bound.map((issuer) => {
      const reason = refusalOf(issuer, nowMs) ?? 'has its key elsewhere';
      return `issuer '${issuer.name}' ${reason}`;
    });
    throw new CertmillError('CONFIG_INVALID', reasons.slice(0, 10).join('\n'));
  }
  const catalogue = new IssuerCatalogue({
    dataDirectory,
    issuers: bound.filter(({ hasKey }) => hasKey),
    configured,
    withKeys: true,
    elapsedMs: () => performance.now(),
  });
  const { all: serialKeys, current } = await openSerialKeys(dataDirectory);
  const passphrase =
    passphraseFile === undefined
      ? await findPassphrase({
          environment: process.env,
          developmentFile: developmentPassphraseFileOf(dataDirectory),
        })
      : { file: passphraseFile };
  return { catalogue, serialKeys, serialKeyId: current.id, passphrase };
}

/** The issuers with one software slot each, the key file of their folder: all, and one by its name. */
export interface SigningIssuers {
  readonly all: readonly SigningIssuer[];
  find(name: string): SigningIssuer | undefined;
}

export function signingIssuers(
  { catalogue, passphrase }: IssuerSet,
  slotModule: string | undefined,
): SigningIssuers {
  // The pools take another object for another configuration.
  const made = new WeakMap<ServingIssuer, SigningIssuer>();
  const signing = (issuer: ServingIssuer): SigningIssuer => {
    const known = made.get(issuer);
    if (known !== undefined) return known;
    const one = signingIssuer(issuer, passphrase, slotModule);
    made.set(issuer, one);
    return one;
  };
  return {
    all: catalogue.all.map(signing),
    find(name) {
      const issuer = catalogue.find(name);
      return issuer && signing(issuer);
    },
  };
}

function signingIssuer(
  issuer: ServingIssuer,
  passphrase: PassphraseSource,
  slotModule: string | undefined,
): SigningIssuer {
  return {
    name: issuer.name,
    chainDer: issuer.chainDer,
    ...(issuer.tenants === undefined ? {} : { tenants: issuer.tenants }),
    ...(issuer.order === undefined ? {} : { order: issuer.order }),
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
  };
}
