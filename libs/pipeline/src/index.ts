export { applyAllowList, draftVerdict, type DecidedRequests } from './validate/decide-values.js';
export {
  assertSameChunk,
  chunkRefOfHeaders,
  createHops,
  hopKeysOf,
  type Hop,
  type HopKeys,
  type HopName,
  type Hops,
} from './hop-seal.js';
export {
  forgedStatus,
  framed,
  statusKeysOf,
  statusSealsOf,
  type StatusSeals,
} from './status-seal.js';
export { assertMakesCrls } from './crl/assert-makes-crls.js';
export { buildCrl, type BuiltCrl, type CrlKind, type CrlPorts } from './crl/build-crl.js';
export { addCrlJob, type CrlObserver, processCrlJobs } from './crl/crl-jobs.js';
export { type CrlPolicy, defaultCrlPolicy } from './crl/crl-policy.js';
export { crlStateOf, type CrlsOfKind, type CrlState } from './crl/crl-state.js';
export { demandCrls, type DemandedCrls } from './crl/demand-crls.js';
export { crlsInForce, type CrlsInForce, crlsToCome, kindDue } from './crl/due-crl.js';
export { listScope } from './crl/list-scope.js';
export { type CrlsToReplace, replaceCrlsToCome } from './crl/replace-crls-to-come.js';
export {
  type CrlAge,
  type CrlIssuer,
  CrlSchedule,
  type CrlSchedulePorts,
} from './crl/crl-schedule.js';
export {
  type CrlGeneration,
  type CrlGenerationOptions,
  runCrlGeneration,
} from './crl/run-crl-generation.js';
export { repeat } from './repeat.js';
export { issuanceClock, type IssuanceClock } from './issuance-clock.js';
export { enroll, type EnrollPorts, type Enrolment } from './ingest/enroll.js';
export {
  expiryCalendar,
  type AuthorityEnd,
  type DeviceEnds,
  type ExpiryCalendar,
  type ExpiryPorts,
} from './expiry/expiry-calendar.js';
export {
  countByItself,
  countByTurns,
  type CountObserver,
  type RegularCount,
} from './expiry/count-regularly.js';
export { countedDays, type CountPorts, type ToRenewCounts } from './expiry/count-to-renew.js';
export { devicesToRenew, type DevicesToRenew, type RowToRenew } from './expiry/devices-to-renew.js';
export { openOrder, type NewOrder, type OrderPorts } from './ingest/open-order.js';
export { TenantWindows, type TenantWindowOptions } from './ingest/tenant-window.js';
export { IngestPace } from './ingest/ingest-pace.js';
export { openBatch, uploadBatch, type IngestPorts, type Upload } from './ingest/upload-batch.js';
export {
  answerOcspRequest,
  type AnswerPorts,
  type OcspAnswer,
} from './ocsp/answer-ocsp-request.js';
export {
  readPresignedAnswer,
  type AnswerTimes,
  type PresignedReader,
  type SuccessfulAnswer,
} from './ocsp/presigned-answer.js';
export type { WaitingChanges } from './crl/waiting-scopes.js';
export { certStatusOf, type CaStatus, type StatusPorts } from './ocsp/certificate-status.js';
export { IssuedNumbers } from './ocsp/issued-numbers.js';
export { LivePlaces } from './ocsp/live-places.js';
export {
  issuerHashes,
  OcspIssuers,
  type IssuerHashes,
  type OcspIssuer,
} from './ocsp/ocsp-issuers.js';
export {
  presignChunk,
  type PresignOutcome,
  type PresignPolicy,
  type PresignPorts,
} from './ocsp/presign-chunk.js';
export {
  planPresigning,
  startPresigning,
  type Presigning,
  type PresignWork,
} from './ocsp/presign-schedule.js';
export { startPresignedRemoval } from './ocsp/presigned-removal.js';
export { presignedUnder } from './ocsp/presigned-under.js';
export { packPairs, responseInPair, type PresignedPair } from './ocsp/packed-pair.js';
export {
  beginOperation,
  previewOperation,
  type ForeseenOperation,
  type NewMassOperation,
} from './mass/begin-operation.js';
export type { ReasonCounts } from './mass/mass-counts.js';
export { controlOperation, noSuchOperation, type MassControl } from './mass/control-operation.js';
export { processMassJobs, type MassObserver } from './mass/mass-jobs.js';
export type { MassCallPorts, MassPorts } from './mass/mass-ports.js';
export {
  deviceStates,
  listMassDevices,
  type DeviceState,
  type MassDevice,
} from './mass/list-devices.js';
export {
  listMassResults,
  resultOutcomes,
  type MassResult,
  type ResultOutcome,
} from './mass/list-results.js';
export { reissuedCounts } from './mass/run-operation.js';
export { profileCatalogue, type ProfileCatalogue } from './profile/profile-catalogue.js';
export {
  findByDevice,
  findBySerialNumber,
  findByUdid,
  serialNumberHexOf,
  type FindPorts,
  type FoundCertificate,
} from './publish/find-certificates.js';
export { PublicationNotices } from './publish/publication-notices.js';
export { publishChunk, terminalOf, type PublishPorts } from './publish/publish-stage.js';
export {
  requestOf,
  certificatesOf,
  resultsOf,
  segmentsOf,
  waitForBatch,
  type ReadOptions,
  type Result,
  type ResultPorts,
} from './publish/read-results.js';
export {
  runStage,
  silentObserver,
  type ConsumingStage,
  type EndedChunk,
  type StageObserver,
  type StageOptions,
  type StageSpan,
} from './run-stage.js';
export {
  deadLettersLeft,
  dropDeadLetter,
  retryDeadLetter,
  type DeadLetterPorts,
} from './settle-dead-letter.js';
export { signChunk, type SignPorts } from './sign/sign-stage.js';
export { verdictSealsOf, type VerdictSeals } from './validate/verdict-seal.js';
export { validateChunk, type ValidatePorts } from './validate/validate-stage.js';
export { defaultInputLimits, type InputItem, type InputLimits } from './input/input-item.js';
export { readInput, type ReadInputOptions } from './input/read-input.js';
export { readInputs, type ReadInputsOptions } from './input/read-input-files.js';
export {
  hasRequestExtension,
  sniffCompression,
  sniffFormat,
  type InputFormat,
} from './input/sniff-format.js';
export { readDevices, type DeviceListFormat } from './input/read-devices.js';
export { certificateFileName } from './output/certificate-file-name.js';
export { linesOf } from './output/lines-of.js';
export {
  manifestLines,
  manifestMismatch,
  verifyManifest,
  type ManifestCheck,
  type ManifestEntry,
  type ManifestSummary,
} from './output/manifest.js';
export { certificateLinesOf, rejectionLinesOf } from './output/result-lines.js';
export {
  ResultFolder,
  resultFolderFormats,
  type ResultFolderFormat,
  type ResultFolderSummary,
} from './output/result-folder.js';
export {
  applyChange,
  type ApplyOptions,
  type ChangeCounts,
  type ChangedItem,
  type ChangePorts,
} from './revoke/apply-changes.js';
export { assertInvalidityDate } from './revoke/assert-invalidity-date.js';
export { assertSelectable } from './revoke/assert-selectable.js';
export {
  changeCertificates,
  type CertificatesChange,
  type ChangesMade,
  type ChangeCertificatesPorts,
} from './revoke/change-certificates.js';
export {
  certificateNameOf,
  defaultMaxNames,
  readCertificateNames,
} from './revoke/read-certificate-names.js';
export { certificatesIn, type IssuedCertificate } from './revoke/read-certificates.js';
export { recordAudit, type AuditPorts } from './revoke/record-audit.js';
export {
  selectCertificates,
  type CertificateName,
  type Selected,
  type Selection,
  type SelectionPorts,
} from './revoke/select-certificates.js';
