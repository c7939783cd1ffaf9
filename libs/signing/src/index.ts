export {
  openExaminationPool,
  type ExaminationLoad,
  type ExaminationPoolOptions,
  type OpenExaminationPool,
} from './examination/open-examination-pool.js';
export {
  openResponderPool,
  type KeyedResponder,
  type ResponderPool,
  type ResponderPoolOptions,
} from './ocsp/open-responder-pool.js';
export { endProcess } from './worker-pool/end-process.js';
export {
  openSigningPools,
  type SigningPools,
  type SigningPoolsOptions,
} from './sign/open-signing-pools.js';
export { type IssuerSlotHealth, type IssuerSlotState } from './sign/issuer-slot.js';
export { type SigningIssuer, withSlots } from './sign/signing-issuer.js';
export { type SlotHealth, type SlotState } from './sign/slot-pool.js';
export { latencyBoundsSeconds, type SlotUsage } from './sign/slot-usage.js';
export { openSlotSigner } from './slots/open-slot-signer.js';
export { generateTokenKey, type NewTokenKey } from './slots/pkcs11/generate-token-key.js';
export { checkPinFile } from './slots/pkcs11/pin-file.js';
export { pkcs11Slot, type Pkcs11SlotOptions, tokenSlot } from './slots/pkcs11/pkcs11-slot.js';
export { type SharedLatch } from './slots/shared-latch.js';
export { type SigningHash } from './slots/signature-scheme.js';
export {
  type SignatureHashing,
  type Signer,
  type SignerModule,
  type SigningRequest,
  type SigningSlot,
  type SlotLatches,
  type SlotModule,
  type SlotPlace,
  type SlotSettings,
} from './slots/signing-slot.js';
export {
  softwareSlot,
  type PassphraseSource,
  type SoftwareSlotOptions,
} from './slots/software-slot.js';
