import type { SignatureHashing, Signer, SignerModule, SigningSlot } from './signing-slot.js';

/**
 * Opens the key of a slot in the calling thread, which hangs while its module does: for a command that
 * uses one key for one thing. Faults: as `SignerModule.openSigner`.
 */
export async function openSlotSigner(
  { signerModule, settings }: SigningSlot,
  hashing: SignatureHashing,
): Promise<Signer> {
  const module = (await import(signerModule)) as SignerModule;
  return module.openSigner(settings, hashing, {});
}
