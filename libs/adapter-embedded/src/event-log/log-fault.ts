import { CertmillError, isCertmillError } from '@certmill/domain';

/** Out of space or over the quota: it ends when there is room. */
const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** What an append says of a failing disk: FAULT_DISK_FULL or FAULT_BUS_DOWN, both to be retried. */
export function logFault(topic: string, cause: unknown): CertmillError {
  if (isCertmillError(cause)) return cause;
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return fullCodes.has(code)
    ? new CertmillError('FAULT_DISK_FULL', `no room for the log of ${topic}`, { cause })
    : new CertmillError('FAULT_BUS_DOWN', `the log of ${topic} cannot be written`, { cause });
}

/** Whether a file was not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

export function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the event log is stopping');
}
