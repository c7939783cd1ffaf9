// The pure parts that run in workers, without the readers and stages around them.
export {
  compileAuthorityProfile,
  compileProfile,
  type CompiledProfile,
  type ProfileIssuer,
  type TbsInput,
  type Validity,
} from './profile/compile-profile.js';
export {
  assertWithinIssuer,
  hasVariableNames,
  limitsOfChain,
  readCertificateLimits,
  type CertificateLimits,
  type IssuerLimits,
} from './profile/issuer-limits.js';
export {
  heldMatterIds,
  type HeldMatterIds,
  isMatterIssuer,
  matterIdOfNames,
} from './profile/held-matter-ids.js';
export { subjectAttributeOids } from './profile/subject-attribute-oids.js';
export { Turns } from './turns.js';
export { issuerHashes } from './ocsp/ocsp-issuers.js';
export { readPresignedAnswer } from './ocsp/presigned-answer.js';
export { packPairs, type PresignedPair } from './ocsp/packed-pair.js';
export {
  examineChunk,
  type ExaminationLimits,
  type ExaminationOptions,
} from './validate/examine-chunk.js';
export { Blocklist, readBlocklist, type BlocklistTable } from './validate/weak-keys/blocklist.js';
