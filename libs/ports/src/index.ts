export type {
  DeliveredRecord,
  EventLog,
  EventRecord,
  RecordHandler,
  SubscribeOptions,
  Subscription,
} from './event-log.js';
export type {
  AllowListQuery,
  AllowListRow,
  AllowListStore,
  BatchStore,
  CertificatePlace,
  CertificateStore,
  ChunkRegistration,
  ChunkState,
  DeadLetter,
  DeadLetterCause,
  Decision,
  OrderStore,
  Page,
  PageRequest,
  ProfileStore,
  StoredProfile,
  RequestPlace,
  StoredRequest,
  TenantStore,
  TerminalChunk,
  VerdictStore,
} from './stores.js';
export type {
  AuditStore,
  ChangedScope,
  ChangedScopesPage,
  CrlScope,
  CrlStore,
  EndedRows,
  RevocationStore,
  RevokedPageRequest,
  ScopeFollower,
  RevokedCertificate,
  StatusChange,
  StoredCrl,
} from './revocations.js';
export type {
  ChunkSigner,
  CrlSigner,
  CrlToSign,
  Examination,
  RequestExaminer,
  SignedCertificates,
  SignedCrl,
} from './compute.js';
export type {
  ApprovalLedger,
  GivenApprovals,
  OperationGate,
  SensitiveOperation,
  UsedApprovals,
} from './approvals.js';
export type { FrozenSelectionName, MassOperationStore, OutcomeQuery } from './mass-operations.js';
export type { Clock, Job, JobHandler, JobQueue, RunAgain } from './jobs.js';
export type { CpuMeter } from './cpu-meter.js';
export type { Stoppable } from './stoppable.js';
export type {
  OcspPresigner,
  OcspResponder,
  OcspResponsePair,
  OcspResponses,
  OcspResponsesHead,
  OcspSigner,
  OcspStore,
  PresignedStatus,
  ResponderCertifier,
  ResponsesToSign,
  UnsignedOcspAnswer,
} from './ocsp.js';
