// What needs a quorum, and its approvals; apart from ceremonies, for every command of a CA asks.
export { ceremoniesFolderName } from './ceremony/ceremony-folder.js';
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
  newOperationId,
  operationHash,
  operationKinds,
  parseOperation,
  type Operation,
  type OperationKind,
} from './ceremony/operation.js';
export { keyFingerprint, participantKeyOf } from './ceremony/participant-keys.js';
export {
  quorumPolicyFileOf,
  readQuorumPolicy,
  readQuorumPolicyFile,
  serializeQuorumPolicy,
} from './ceremony/quorum-policy.js';
export { requireApproval, type ApprovalUse } from './ceremony/require-approval.js';
export { openApprovalFolder, readApprovalFolder } from './ceremony/approval-folder.js';
export { openOperationGate, type GateParts } from './ceremony/open-operation-gate.js';
