export { apiKeyHash, newApiKey } from './auth/api-keys.js';
export { permissionsOf, type Permission } from './auth/roles.js';
export type { OperationsApplication } from './http/operations-application.js';
export type { Readiness } from './observability/readiness.js';
export type { HttpApplication } from './http/application.js';
export type { HttpParts } from './http/http-parts.js';
export {
  assertListenable,
  httpConfigSchema,
  tlsOptionsOf,
  type HttpConfig,
} from './http/http-config.js';
export { placeInConfig, readConfig } from './config/read-config.js';
export {
  addBuiltInProfiles,
  issuanceServices,
  openFirstTenant,
  operatorTenant,
  type FirstCredential,
  type IssuanceParts,
  type IssuingPolicy,
  type KeptProfile,
} from './http/issuance-services.js';
export type { IssuanceStore } from './http/issuance-store.js';
export type { IssuanceServices } from './http/services.js';
export {
  auditEntrySchema,
  massOperationSchema,
  massResultSchema,
  batchSchema,
  certificateSchema,
  changedCertificateSchema,
  changesSchema,
  crlStateSchema,
  orderSchema,
  pageOf,
  profileSchema,
} from './openapi/views.js';
export { closeLoggers, createLogger } from './observability/logger.js';
export { LineLimiter, type LineLimits } from './observability/line-limiter.js';
export { type CrlConfig, crlConfigSchema, crlPolicyOf } from './config/crl-config.js';
export { Repository, type RepositoryParts } from './http/repository.js';
export { runObservedCrlGeneration } from './observability/observed-crl-generation.js';
export { logIssuerFaults } from './observability/log-issuer-faults.js';
export { warnWhereNoneIssues } from './observability/warn-where-none-issues.js';
export { observeCounts } from './observability/observe-counts.js';
export { observeMass } from './observability/observe-mass.js';
export { observeStages } from './observability/observe-stages.js';
export { Metrics } from './observability/metrics.js';
export type { LaneLoad } from './observability/pool-metrics.js';
export type { SlotReading } from './observability/slot-metrics.js';
export { openTracing } from './observability/open-tracing.js';
export { type TracingOptions } from './observability/tracing-options.js';
export { tracingSchema, type TracingConfig } from './observability/tracing-config.js';
export { noTraces, type Traces, type Tracing } from './observability/traces.js';
export { errorsDocument } from './problem/errors-document.js';
export { problemTypeOf, rejectionProblem, toProblem, type Problem } from './problem/to-problem.js';
export { faultStatus, wireStatus, type WireStatus } from './problem/wire-status.js';
export { replyToStatusCall, type StatusObserver } from './status/reply-to-status-call.js';
export { observeStatus } from './observability/observe-status.js';
export type { AnswerAtOnce, AnswerSource } from './status/answer-source.js';
export { startStatusHttp, type StatusHttp } from './status/start-status-http.js';
export { statusHttpSchema, type StatusHttpConfig } from './status/status-config.js';
export type { StatusCall } from './status/status-call.js';
export type { KeepingLimits, StatusReply } from './status/status-reply.js';
export {
  assertIssuersOfPolicy,
  ocspPolicySchema,
  presignPolicyOf,
  presignsAny,
  type OcspPolicy,
} from './status/ocsp-policy.js';
