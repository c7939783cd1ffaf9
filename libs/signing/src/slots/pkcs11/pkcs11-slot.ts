import { CertmillError } from '@certmill/domain';
import type { SigningSlot } from '../signing-slot.js';

export interface Pkcs11SlotOptions {
  readonly name: string;
  /** The PKCS#11 module (a shared library) of the HSM's vendor. */
  readonly moduleFile: string;
  readonly tokenLabel: string;
  /** CKA_LABEL of the private key; together with or instead of `keyId`. */
  readonly keyLabel?: string;
  /** CKA_ID of the private key. */
  readonly keyId?: Uint8Array;
  /** Holds the user PIN; MUST be readable by its owner only. One trailing line break is not part of it. */
  readonly pinFile: string;
  readonly slotModule?: string;
}

/** A slot in a token as a configuration has it, and `slot.json` of a CA. */
export interface TokenSlotForm {
  readonly name: string;
  readonly module: string;
  readonly token: string;
  readonly keyLabel?: string | undefined;
  /** CKA_ID, hex. */
  readonly keyId?: string | undefined;
  readonly pinFile: string;
}

/** Faults: as `pkcs11Slot`. */
export function tokenSlot(form: TokenSlotForm): SigningSlot {
  const { name, module: moduleFile, token: tokenLabel, keyLabel, keyId, pinFile } = form;
  return pkcs11Slot({
    ...{ name, moduleFile, tokenLabel, pinFile },
    ...(keyLabel === undefined ? {} : { keyLabel }),
    ...(keyId === undefined ? {} : { keyId: Buffer.from(keyId, 'hex') }),
  });
}

/**
 * A slot whose key is in a PKCS#11 token, where it stays. The keys of one token are in one
 * place; workers of one module share its initialisation. Faults: CONFIG_INVALID.
 */
export function pkcs11Slot(options: Pkcs11SlotOptions): SigningSlot {
  const { name, moduleFile, tokenLabel, keyLabel, keyId, pinFile, slotModule } = options;
  if (keyLabel === undefined && keyId === undefined) {
    throw new CertmillError('CONFIG_INVALID', `slot ${name} names no key: by label, id or both`);
  }
  const initializeLatch = `initialize ${moduleFile}`;
  const loginLatch = `login ${moduleFile} ${tokenLabel}`;
  return {
    name,
    place: {
      id: `pkcs11 ${moduleFile} ${tokenLabel}`,
      name: tokenLabel,
      latches: [initializeLatch, loginLatch],
    },
    signerModule: new URL('./pkcs11-signer.js', import.meta.url).href,
    settings: {
      moduleFile,
      tokenLabel,
      pinFile,
      initializeLatch,
      loginLatch,
      ...(keyLabel === undefined ? {} : { keyLabel }),
      ...(keyId === undefined ? {} : { keyIdHex: Buffer.from(keyId).toString('hex') }),
    },
    ...(slotModule === undefined ? {} : { slotModule }),
  };
}
