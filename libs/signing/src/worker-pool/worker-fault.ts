import { CertmillError, isCertmillError, type FaultCode } from '@certmill/domain';

/** A fault as it leaves a worker: structured clone would drop an error's class and code. */
export interface WorkerFault {
  readonly kind: 'fault';
  readonly code: FaultCode;
  readonly message: string;
  /** For the log only. */
  readonly cause: string;
}

/** Worker side. Anything but a CertmillError is our own mistake: `unknownCode` with a safe message. */
export function workerFaultOf(
  error: unknown,
  unknownCode: FaultCode,
  unknownMessage: string,
): WorkerFault {
  const cause = causeText(error);
  return isCertmillError(error)
    ? { kind: 'fault', code: error.code, message: error.message, cause }
    : { kind: 'fault', code: unknownCode, message: unknownMessage, cause };
}

/** Main side. */
export function errorOfFault(fault: Omit<WorkerFault, 'kind'>): CertmillError {
  return new CertmillError(fault.code, fault.message, { cause: fault.cause });
}

function causeText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${causeText(error.cause)}`;
}
