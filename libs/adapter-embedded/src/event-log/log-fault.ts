import { CertmillError, isCertmillError, isDiskFull } from '@certmill/domain';

/** What an append says of a failing disk: FAULT_DISK_FULL or FAULT_BUS_DOWN, both to be retried. */
export function logFault(topic: string, cause: unknown): CertmillError {
  if (isCertmillError(cause)) return cause;
  return isDiskFull(cause)
    ? new CertmillError('FAULT_DISK_FULL', `no room for the log of ${topic}`, { cause })
    : new CertmillError('FAULT_BUS_DOWN', `the log of ${topic} cannot be written`, { cause });
}

/** Whether a file was not there. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Not by `instanceof`: the file system's errors may be of another realm. */
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the event log is stopping');
}
