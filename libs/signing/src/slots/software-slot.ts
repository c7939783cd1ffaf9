import type { SigningSlot, SlotPlace } from './signing-slot.js';

/** Where a passphrase lies: a file (one trailing line break is not part of it) or a variable. */
export type PassphraseSource = { readonly file: string } | { readonly environment: string };

export interface SoftwareSlotOptions {
  readonly name: string;
  /** An encrypted PKCS#8 private key (RFC 5958), PEM or DER. */
  readonly keyFile: string;
  readonly passphrase: PassphraseSource;
  readonly slotModule?: string;
}

/** All keys in files: what is wrong with one of them is that key's own. */
const place: SlotPlace = { id: 'software', name: 'software', isOwn: true };

/** A slot whose key is an encrypted file; it is decrypted in the workers that sign with it. */
export function softwareSlot(options: SoftwareSlotOptions): SigningSlot {
  const { name, keyFile, passphrase, slotModule } = options;
  return {
    name,
    place,
    signerModule: new URL('./software-signer.js', import.meta.url).href,
    settings: {
      keyFile,
      ...('file' in passphrase
        ? { passphraseFile: passphrase.file }
        : { passphraseEnvironment: passphrase.environment }),
    },
    ...(slotModule === undefined ? {} : { slotModule }),
  };
}
