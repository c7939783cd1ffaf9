// Key ceremonies and what needs a quorum; apart, for it brings YAML, zod and Shamir's scheme along.
export {
  approve,
  checkQuorum,
  maxApprovalMs,
  parseApproval,
  type Approval,
  type Approver,
  type Quorum,
} from './ceremony/approval.js';
export {
  ceremonyFileJsonSchema,
  participantRoles,
  type CeremonyFile,
  type CeremonyStep,
  type Participant,
} from './ceremony/ceremony-file.js';
export {
  newOperationId,
  operationHash,
  operationKinds,
  parseOperation,
  type Operation,
  type OperationKind,
} from './ceremony/operation.js';
export {
  ceremonyOperation,
  ceremonyQuorum,
  parseCeremony,
  participantsIn,
} from './ceremony/parse-ceremony.js';
export { keyFingerprint, participantKeyOf } from './ceremony/participant-keys.js';
export {
  quorumPolicyFileOf,
  readQuorumPolicy,
  serializeQuorumPolicy,
} from './ceremony/quorum-policy.js';
export {
  approvalLedgerOf,
  requireApproval,
  type ApprovalUse,
} from './ceremony/require-approval.js';
export { draftCeremony, type CeremonyDraft } from './ceremony/write-ceremony.js';
