import { hash } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { IssuerKeyType } from '../keys/key-types.js';
import { caSignerOf, generateCaKey, type SoftwareCaSigner } from './ca-key.js';
import type { CaModules, CaSlot } from './ca-slot.js';
import type { IssuerFolderContent } from './issuer-folder.js';
import type { Issuer } from './load-issuers.js';

/** Where the key of a new CA is made and stays: in a module, or encrypted in a file. */
export interface NewCaKeyWish {
  readonly keyType: IssuerKeyType;
  readonly subjectDer: Uint8Array;
  /** Encrypts a key in a file. */
  readonly passphrase: string;
  /** A module that makes it. */
  readonly slot?: Omit<CaSlot, 'keyId'>;
  readonly modules?: CaModules;
}

export interface NewCaKey {
  readonly signer: SoftwareCaSigner;
  /** What the CA's folder holds of it. */
  readonly content: Pick<IssuerFolderContent, 'key' | 'slot'>;
}

/**
 * A new key. In a module it has an id of its label, the subject and its type: a command that was killed
 * finds it when it is typed again. INVALID_INPUT where the passphrase of a file is empty.
 */
export async function newCaKey(wish: NewCaKeyWish): Promise<NewCaKey> {
  const { keyType, passphrase } = wish;
  if (wish.slot !== undefined) {
    const { signer, slot } = await newKeyInSlot(wish, wish.slot);
    return { signer, content: { slot } };
  }
  assertPassphrase(passphrase);
  const { privateKey, subjectPKInfoDer } = await generateCaKey(keyType);
  return {
    signer: caSignerOf(privateKey, subjectPKInfoDer),
    content: { key: { pkcs8Der: privateKey.export({ format: 'der', type: 'pkcs8' }), passphrase } },
  };
}

/** The same in a module. INVALID_INPUT where none is at hand. */
export async function newKeyInSlot(
  { keyType, subjectDer, modules }: Pick<NewCaKeyWish, 'keyType' | 'subjectDer' | 'modules'>,
  wanted: Omit<CaSlot, 'keyId'>,
): Promise<{ readonly signer: SoftwareCaSigner; readonly slot: CaSlot }> {
  assertModules(modules, wanted);
  const slot = { ...wanted, keyId: keyIdOf(wanted.keyLabel, subjectDer, keyType) };
  await modules.generate(slot, keyType);
  return { signer: await modules.open(slot, keyType), slot };
}

/** INVALID_INPUT where a key in a token would be followed by one in a file. */
export function assertKeyPlace(old: Pick<Issuer, 'name' | 'slot'>, hasSlot: boolean): void {
  if (old.slot === undefined || hasSlot) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `the key of '${old.name}' is in a token: say with --slot where that of the new one is to be`,
  );
}

/** The same of a new key for the CA; CONFLICT where its slot is that of the key before, which would be found again. */
export function assertNewKeyPlace(
  old: Pick<Issuer, 'name' | 'slot'>,
  slot: NewCaKeyWish['slot'],
): void {
  assertKeyPlace(old, slot !== undefined);
  if (slot === undefined || old.slot === undefined) return;
  if (slot.token !== old.slot.token || slot.keyLabel !== old.slot.keyLabel) return;
  throw new CertmillError(
    'CONFLICT',
    `the key of '${old.name}' has the label ${slot.keyLabel} in token ${slot.token}: choose another one`,
  );
}

/** INVALID_INPUT where nothing here reaches modules. */
export function assertModules(
  modules: CaModules | undefined,
  { token }: Pick<CaSlot, 'token'>,
): asserts modules is CaModules {
  if (modules !== undefined) return;
  throw new CertmillError('INVALID_INPUT', `no module is at hand here for ${token}`);
}

/** 16 octets, in hex. */
function keyIdOf(keyLabel: string, subjectDer: Uint8Array, keyType: IssuerKeyType): string {
  const subject = Buffer.from(subjectDer).toString('hex');
  return hash('sha256', JSON.stringify([keyLabel, subject, keyType])).slice(0, 32);
}

export function assertPassphrase(passphrase: string): void {
  if (passphrase === '') throw new CertmillError('INVALID_INPUT', 'the passphrase is empty');
}
