export type { CaCrlEnd, DelegateEnd } from './authority-ends.js';
export { livesLongEnough } from './lives-long-enough.js';
export { leastRsaBits, newCaKeyTypes, type NewCaKeyType } from './ca-key-types.js';
export { canonicalJson } from './canonical-json.js';
export { durationPattern, durationSeconds } from './profile/durations.js';
export {
  rejectionCatalogue,
  rejectionCodes,
  rejectionCodeOf,
  rejectionNumber,
  type Rejection,
  type RejectionCode,
  type RejectionMeaning,
} from './rejections.js';
export {
  CertmillError,
  faultCatalogue,
  isCertmillError,
  stoppingFault,
  type FaultCode,
  type FaultDisposition,
} from './faults.js';
export { subjectAttributeBounds } from './profile/subject-attribute-bounds.js';
export { diskFullFault, isDiskFull } from './disk-full.js';
export { ApprovalRequired, type ProposedOperation } from './approval-required.js';
export {
  assertName,
  isName,
  batchIdBytes,
  batchIdOf,
  chunkIdOf,
  maxChunkBytes,
  maxDeviceIdBytes,
  maxRequestsPerBatch,
  leastRequestsPerChunk,
  maxRecordBytes,
  maxRequestsPerChunk,
  requestBounds,
  type BatchId,
  type ChunkRef,
  type Lane,
  type OrderId,
  type RequestRef,
  type TenantId,
} from './ids.js';
export {
  isOver,
  noMassCounts,
  frozenPageBatches,
  type DecidedState,
  type FrozenBatch,
  type MassCounts,
  type MassCursor,
  type MassOperation,
  type MassSelection,
  type MassState,
  type MassWork,
  type ReissueWork,
} from './mass-operations.js';
export {
  countIn,
  massOutcomes,
  outcomeReasons,
  runsOf,
  type ChunkOutcome,
  type ChunkPlace,
  type MassOutcome,
  type OutcomeReason,
  type OutcomeRun,
  type UploadedPart,
} from './mass-outcomes.js';
export {
  requestOfSerialNumber,
  serialKeyIdOf,
  serialNumberBefore,
  serialNumberBytes,
  serialNumbersOf,
  type SerialKey,
} from './serial-number.js';
export {
  inFlightOf,
  isComplete,
  type Batch,
  type Counters,
  type Credential,
  type Order,
  type Role,
} from './orders.js';
export {
  csrSources,
  profileSlots,
  profileStandards,
  type CsrPolicy,
  type FieldValue,
  type KeyUsageBit,
  type Profile,
  type ProfileExtensions,
  type ProfileKey,
  type ProfileSlot,
  type ProfileStandard,
  type SignatureHash,
  type SubjectAltName,
  type SubjectAttribute,
  type SubjectAttributeType,
  type ValueSource,
} from './profile/profile.js';
export {
  canonicalProfile,
  canonicalProfileHash,
  profileHash,
  profileOfCanonical,
} from './profile/canonical-profile.js';
export {
  caCrlUriOf,
  caIssuersUriOf,
  crlReasonOf,
  crlReasons,
  crlCountOf,
  crlShardOf,
  crlUriOf,
  deltaCrlUriOf,
  hasExpired,
  maxCrlShards,
  ocspUriOf,
  revocationReasons,
  statusAddresses,
  type CrlReason,
  type RevocationReason,
  type StatusAddresses,
} from './certificate-status.js';
export {
  changedStatus,
  isOnHold,
  isKeyCompromised,
  isRevokedForGood,
  statusRefusalOf,
  type CertificateChange,
  type CertificateStatus,
  type StatusOutcome,
} from './change-status.js';
export {
  auditBreakOf,
  chainAuditEntry,
  type AuditEntry,
  type ChainedAuditEntry,
} from './audit-trail.js';
export { tlsRefusalOf } from './tls-refusal.js';
export {
  defaultRetryPolicy,
  outcomeOf,
  pauseMs,
  type FailureOutcome,
  type RetryPolicy,
} from './retry-policy.js';
