// What needs a quorum, and its approvals; apart from ceremonies, for every command of a CA asks.
export { ceremoniesFolderName } from './ceremony/ceremony-folder.js';
export {
  approvalsOf,
  approve,
  checkQuorum,
  maxApprovalMs,
  parseApproval,
  type Approval,
  type Approver,
  type Quorum,
} from './ceremony/approval.js';
export {
  newOperationId,
  operationHash,
  operationKinds,
  operationOf,
  parseOperation,
  type Operation,
  type OperationKind,
} from './ceremony/operation.js';
export { keyFingerprint, participantKeyOf } from './ceremony/participant-keys.js';
export {
  parseQuorumPolicy,
  quorumPolicyFileOf,
  readQuorumPolicy,
  readQuorumPolicyFile,
  serializeQuorumPolicy,
  type QuorumPolicy,
} from './ceremony/quorum-policy.js';
export {
  requireApproval,
  requireApprovals,
  type ApprovalUse,
  type ApprovingPlace,
} from './ceremony/require-approval.js';
export {
  assertNotEnded,
  endUse,
  holdUse,
  openApprovalFolder,
  readApprovalFolder,
} from './ceremony/approval-folder.js';
export { openOperationGate, type GateParts } from './ceremony/open-operation-gate.js';
