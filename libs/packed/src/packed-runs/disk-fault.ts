import { CertmillError, isCertmillError, isDiskFull } from '@certmill/domain';

/**
 * The fault that a failed disk call is: FAULT_DISK_FULL where there is no room, FAULT_STORE_DOWN
 * otherwise. A CertmillError stays what it is.
 * @param what What was tried, for people: `write run 12`.
 */
export function diskFault(error: unknown, what: string): CertmillError {
  if (isCertmillError(error)) return error;
  const code = systemCodeOf(error);
  return isDiskFull(error)
    ? new CertmillError('FAULT_DISK_FULL', `cannot ${what}: the disk is full`, { cause: error })
    : new CertmillError('FAULT_STORE_DOWN', `cannot ${what}: the disk failed (${String(code)})`, {
        cause: error,
      });
}

/** `ENOENT` and the like. Not by `instanceof`: node's own errors may come from another realm. */
export function systemCodeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
