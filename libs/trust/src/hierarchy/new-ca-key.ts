import { hash } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { IssuerKeyType } from '../keys/key-types.js';
import { caSignerOf, generateCaKey, type SoftwareCaSigner } from './ca-key.js';
import type { CaModules, CaSlot } from './ca-slot.js';
import type { IssuerFolderContent } from './issuer-folder.js';

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
