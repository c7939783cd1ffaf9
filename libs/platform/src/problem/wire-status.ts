import type { FaultCode, RejectionCode } from '@certmill/domain';

/** How one rejection looks on each wire (STYLE 3): RFC 9110, RFC 8555 6.7, RFC 8894 3.2.1.4.5, RFC 9810 5.2.3. */
export interface WireStatus {
  readonly http: number;
  /** Below `urn:ietf:params:acme:error:`. */
  readonly acme: string;
  readonly scep: 'badAlg' | 'badMessageCheck' | 'badRequest' | 'badTime' | 'badCertId';
  readonly cmp: string;
}

const badRequest = 'badRequest';

/** Exhaustive: a rejection code without a row does not compile. */
export const wireStatus = {
  CSR_DER_MALFORMED: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'badDataFormat' },
  INPUT_NOT_A_CSR: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'badDataFormat' },
  PRIVATE_KEY_SUBMITTED: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'badDataFormat' },
  CSR_TOO_LARGE: { http: 413, acme: 'malformed', scep: badRequest, cmp: 'badDataFormat' },
  CSR_POP_INVALID: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'badPOP' },
  CSR_SIGALG_FORBIDDEN: { http: 400, acme: 'badCSR', scep: 'badAlg', cmp: 'badAlg' },
  KEY_ALGORITHM_FORBIDDEN: { http: 400, acme: 'badCSR', scep: 'badAlg', cmp: 'badAlg' },
  KEY_COMPROMISED: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'badCertTemplate' },
  KEY_IN_USE: { http: 409, acme: 'badCSR', scep: badRequest, cmp: 'duplicateCertReq' },
  SUBJECT_MISMATCH: {
    http: 403,
    acme: 'rejectedIdentifier',
    scep: badRequest,
    cmp: 'notAuthorized',
  },
  SAN_FORBIDDEN: {
    http: 403,
    acme: 'rejectedIdentifier',
    scep: badRequest,
    cmp: 'badCertTemplate',
  },
  EXTENSION_FORBIDDEN: { http: 400, acme: 'badCSR', scep: badRequest, cmp: 'unacceptedExtension' },
  PROFILE_UNKNOWN: { http: 400, acme: 'invalidProfile', scep: badRequest, cmp: 'badCertTemplate' },
  ORDER_QUOTA_EXCEEDED: { http: 403, acme: 'unauthorized', scep: badRequest, cmp: 'notAuthorized' },
  ORDER_CLOSED: { http: 403, acme: 'unauthorized', scep: badRequest, cmp: 'notAuthorized' },
  DUPLICATE_IN_BATCH: {
    http: 409,
    acme: 'unauthorized',
    scep: badRequest,
    cmp: 'duplicateCertReq',
  },
  DEVICE_REQUEST_PENDING: {
    http: 409,
    acme: 'unauthorized',
    scep: badRequest,
    cmp: 'duplicateCertReq',
  },
  DEVICE_ALREADY_ISSUED: {
    http: 409,
    acme: 'unauthorized',
    scep: badRequest,
    cmp: 'duplicateCertReq',
  },
  DEVICE_NOT_AUTHORIZED: {
    http: 403,
    acme: 'unauthorized',
    scep: badRequest,
    cmp: 'notAuthorized',
  },
  BATCH_CANCELLED: { http: 409, acme: 'serverInternal', scep: badRequest, cmp: 'systemFailure' },
  ISSUER_UNAVAILABLE: { http: 503, acme: 'serverInternal', scep: badRequest, cmp: 'systemFailure' },
  PROCESSING_FAILED: { http: 500, acme: 'serverInternal', scep: badRequest, cmp: 'systemFailure' },
  CERTIFICATE_REVOKED: {
    http: 409,
    acme: 'unauthorized',
    scep: badRequest,
    cmp: 'certRevoked',
  },
  ATTESTATION_INVALID: { http: 403, acme: 'unauthorized', scep: badRequest, cmp: 'notAuthorized' },
} as const satisfies Record<RejectionCode, WireStatus>;

export interface FaultStatus {
  readonly http: number;
  /** Constant per code: the problem's `title`. */
  readonly title: string;
  /** Whether the fault's message may be shown: it tells the caller what to mend. */
  readonly showsDetail: boolean;
}

const hidden = (http: number, title: string): FaultStatus => ({ http, title, showsDetail: false });
const shown = (http: number, title: string): FaultStatus => ({ http, title, showsDetail: true });

/** Exhaustive: a fault code without a row does not compile. */
export const faultStatus = {
  FAULT_HSM_BUSY: hidden(503, 'The signing slot is busy'),
  FAULT_HSM_LOST: hidden(503, 'No signing slot is available'),
  FAULT_HSM_REFUSED: hidden(503, 'A token refuses to be logged in to'),
  FAULT_ISSUER_UNKNOWN: shown(503, 'The issuer is not known yet, or not whether it is revoked'),
  FAULT_BUS_DOWN: hidden(503, 'The event log is not available'),
  FAULT_STORE_DOWN: hidden(503, 'The store is not available'),
  FAULT_DISK_FULL: hidden(507, 'The server has no room left'),
  FAULT_OVERLOADED: shown(503, 'The server has too much to do'),
  FAULT_WORKER_LOST: hidden(503, 'A worker was lost'),
  FAULT_STOPPING: shown(503, 'The server is stopping'),
  FAULT_EVENT_UNDECODABLE: hidden(500, 'An internal record could not be read'),
  FAULT_EVENT_FORGED: hidden(500, 'An internal record could not be read'),
  FAULT_VERDICT_FORGED: hidden(500, 'A stored decision could not be used'),
  FAULT_STATUS_FORGED: hidden(503, 'The stored log of revocations could not be used'),
  FAULT_LINT_FAILED: hidden(500, 'The profile makes a bad certificate'),
  FAULT_PROCESSING: hidden(500, 'The request could not be processed'),
  FAULT_SERIAL_COLLISION: hidden(503, 'Issuance is halted'),
  FAULT_CLOCK_BACKWARDS: hidden(503, 'Issuance is halted'),
  FAULT_KEY_MISMATCH: hidden(503, 'Issuance is halted'),
  FAULT_AUDIT_BROKEN: hidden(503, 'Issuance is halted'),
  FAULT_STORE_CORRUPT: hidden(503, 'Issuance is halted'),
  CONFIG_INVALID: shown(500, 'The configuration is not valid'),
  PROFILE_INVALID: shown(400, 'The profile is not valid'),
  DATA_FOLDER_IN_USE: shown(409, 'The data folder is in use'),
  DATA_FORMAT_UNSUPPORTED: shown(500, 'The data format is not supported'),
  NOT_FOUND: shown(404, 'There is no such object'),
  CONFLICT: shown(409, 'The call contradicts what is stored'),
  INVALID_INPUT: shown(400, 'The call is not valid'),
  UNAUTHENTICATED: shown(401, 'A valid API key is needed'),
  FORBIDDEN: shown(403, 'The API key may not do this'),
  APPROVAL_REQUIRED: shown(403, 'The operation needs the approvals of a quorum'),
  LIMIT_EXCEEDED: shown(413, 'A limit is exceeded'),
  STEP_WAITS: shown(409, 'Something has to be done before the next step'),
} as const satisfies Record<FaultCode, FaultStatus>;
