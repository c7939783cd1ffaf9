import { CertmillError } from './faults.js';

const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * Whether a disk call failed for want of room, or because a file may not be as long. Not by `instanceof`: node's own
 * errors may come from another realm.
 */
export function isDiskFull(cause: unknown): boolean {
  return (
    typeof cause === 'object' && cause !== null && 'code' in cause && fullCodes.has(cause.code)
  );
}

/** FAULT_DISK_FULL for such a failure; undefined for any other. */
export function diskFullFault(cause: unknown, file: string): CertmillError | undefined {
  if (!isDiskFull(cause)) return undefined;
  return new CertmillError('FAULT_DISK_FULL', `there is no room for ${file}`, { cause });
}
