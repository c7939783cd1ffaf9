import { existsSync } from 'node:fs';
import { CertmillError, type SerialKey } from '@certmill/domain';
import {
  softwareSlot,
  tokenSlot,
  withSlots,
  type SigningIssuer,
  type SigningSlot,
} from '@certmill/signing';
import {
  assertStatusKept,
  boundToTenants,
  developmentPassphraseFileOf,
  findPassphrase,
  isKeyAtHand,
  IssuerCatalogue,
  issuerPathsOf,
  loadAuthorities,
  openSerialKeys,
  type PassphraseSource,
  type ServingIssuer,
  StatusAuthorities,
} from '@certmill/trust';
import type { StandaloneConfig } from './config.js';
import type { DataFolder } from './data-folder.js';

/** The issuers of a data folder and what signing with them takes. */
export interface IssuerSet {
  readonly dataDirectory: string;
  readonly catalogue: IssuerCatalogue;
  /** The same with the CAs above them. */
  readonly authorities: StatusAuthorities;
  readonly serialKeys: readonly SerialKey[];
  readonly serialKeyId: number;
  readonly passphrase: PassphraseSource;
}

/**
 * Also of a folder where no issuer signs for devices any more. CONFIG_INVALID where it has no issuer yet, other ones
 * than are configured, one whose status addresses are not those that it began with, or, before anything was issued
 * in it, no key of any.
 */
export async function openIssuers(
  { directory: dataDirectory, store }: Pick<DataFolder, 'directory' | 'store'>,
  { passphraseFile, issuers: configured }: Pick<StandaloneConfig, 'passphraseFile' | 'issuers'>,
): Promise<IssuerSet> {
  const all = await loadAuthorities(dataDirectory);
  const loaded = all.filter(({ role }) => role === 'issuing');
  if (loaded.length === 0) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${dataDirectory} has no issuing CA; make one with 'certmill ca init' or take one in with 'certmill ca import'`,
    );
  }
  await assertStatusKept(dataDirectory, loaded);
  const bound = boundToTenants(loaded, configured, dataDirectory);
  // One that is revoked, has expired or has lost its key counts: what it issued is told of.
  if (!existsSync(store) && !bound.some(isKeyAtHand)) {
    const reasons = bound.map(({ name }) => `issuer '${name}' has its key elsewhere`);
    throw new CertmillError('CONFIG_INVALID', reasons.slice(0, 10).join('\n'));
  }
  const elapsedMs = (): number => performance.now();
  const catalogue = new IssuerCatalogue({
    dataDirectory,
    issuers: bound,
    configured,
    keyless: 'told-of',
    elapsedMs,
  });
  const authorities = new StatusAuthorities({
    dataDirectory,
    catalogue,
    authorities: all,
    elapsedMs,
  });
  const { all: serialKeys, current } = await openSerialKeys(dataDirectory);
  const passphrase =
    passphraseFile === undefined
      ? await findPassphrase({
          environment: process.env,
          developmentFile: developmentPassphraseFileOf(dataDirectory),
        })
      : { file: passphraseFile };
  return { dataDirectory, catalogue, authorities, serialKeys, serialKeyId: current.id, passphrase };
}

/** The issuers with one slot each, the token or the key file that their folder names: all, and one by its name. */
export interface SigningIssuers {
  readonly all: readonly SigningIssuer[];
  find(name: string): SigningIssuer | undefined;
}

type KeyPlace = Pick<ServingIssuer, 'name' | 'keyFile' | 'slot'>;

export function signingIssuers(
  { dataDirectory, catalogue, authorities, passphrase }: IssuerSet,
  slotModule: string | undefined,
): SigningIssuers {
  const around = slotModule === undefined ? {} : { slotModule };
  const slotsOf = (place: KeyPlace): readonly SigningSlot[] => [
    { ...ownSlot(place, passphrase), ...around },
  ];
  const signing = withSlots<ServingIssuer>(slotsOf);
  // Of CAs that issue to no device; they certify responders.
  const others = new Map<string, SigningIssuer>();
  const other = (name: string): SigningIssuer | undefined => {
    const ca = authorities.find(name);
    if (ca === undefined || !isKeyAtHand(ca)) return undefined;
    const known = others.get(name);
    const [der = new Uint8Array()] = ca.chainDer;
    if (known?.chainDer[0] !== undefined && Buffer.compare(known.chainDer[0], der) === 0) {
      return known;
    }
    const { keyFile } = issuerPathsOf(dataDirectory, name);
    const { chainDer, slot } = ca;
    const key = slot === undefined ? { keyFile } : { keyFile, slot };
    const slots = slotsOf({ name, ...key });
    const one = { name, chainDer, slots, respondersOnly: true } as const;
    others.set(name, one);
    return one;
  };
  return {
    all: catalogue.all.filter(isKeyAtHand).map(signing),
    find(name) {
      const issuer = catalogue.find(name);
      return issuer === undefined || !isKeyAtHand(issuer) ? other(name) : signing(issuer);
    },
  };
}

function ownSlot({ name, keyFile, slot }: KeyPlace, passphrase: PassphraseSource): SigningSlot {
  if (slot !== undefined) return tokenSlot({ ...slot, name: `${name}-token` });
  return softwareSlot({
    name: `${name}-file`,
    keyFile,
    passphrase: 'file' in passphrase ? passphrase : { environment: passphrase.environmentVariable },
  });
}
