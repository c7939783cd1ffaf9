export {
  openExaminationPool,
  type ExaminationPoolOptions,
} from './examination/open-examination-pool.js';
export {
  openSigningPools,
  type SigningIssuer,
  type SigningPools,
  type SigningPoolsOptions,
} from './sign/open-signing-pools.js';
export { type SlotHealth, type SlotState } from './sign/slot-pool.js';
export { type SigningHash } from './slots/signature-scheme.js';
export {
  type SignatureHashing,
  type Signer,
  type SignerModule,
  type SigningRequest,
  type SigningSlot,
  type SlotModule,
  type SlotSettings,
} from './slots/signing-slot.js';
export {
  softwareSlot,
  type PassphraseSource,
  type SoftwareSlotOptions,
} from './slots/software-slot.js';
