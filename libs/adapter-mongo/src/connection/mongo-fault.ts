import { MongoBulkWriteError } from 'mongodb';
import { CertmillError, isCertmillError } from '@certmill/domain';

/** Error codes of the server (src/mongo/base/error_codes.yml). */
const duplicateKey = 11_000;
const outOfDiskSpace = 14_031;
const dataCorruptionDetected = 267;
const tooLarge: ReadonlySet<unknown> = new Set([10_334, 17_419, 17_420]);
const refused: ReadonlySet<unknown> = new Set([8_000, 13, 18]);

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Whether a document with this `_id` is there: there is no other unique index. */
export function isDuplicateKey(error: unknown): boolean {
  return codeOf(error) === duplicateKey;
}

/** Whether that is all that was wrong with the writes of one call. */
export function isDuplicateKeyOnly(error: unknown): boolean {
  return (
    error instanceof MongoBulkWriteError &&
    error.result.getWriteConcernError() === undefined &&
    [error.writeErrors].flat().every(isDuplicateKey)
  );
}

/** Whether the server does not take our word for who we are, or what we may do. */
export function isRefused(error: unknown): boolean {
  return refused.has(codeOf(error));
}

/**
 * The fault that an error of the driver is; a CertmillError stays what it is. Whatever is not known to
 * be final is FAULT_STORE_DOWN: elections, lost connections, time-outs, a missing majority, and also
 * credentials that are being rotated. The call MAY have had its effect.
 * @param what What was tried, for people: `update buckets`.
 */
export function mongoFault(error: unknown, what: string): CertmillError {
  if (isCertmillError(error)) return error;
  const code = codeOf(error);
  const options = { cause: error };
  if (code === outOfDiskSpace) {
    return new CertmillError('FAULT_DISK_FULL', `cannot ${what}: the disk is full`, options);
  }
  if (code === dataCorruptionDetected) {
    return new CertmillError('FAULT_STORE_CORRUPT', `cannot ${what}: data is damaged`, options);
  }
  if (tooLarge.has(code)) {
    return new CertmillError('FAULT_PROCESSING', `cannot ${what}: it is too large`, options);
  }
  const said = typeof code === 'number' ? `MongoDB says ${String(code)}` : 'MongoDB is away';
  return new CertmillError('FAULT_STORE_DOWN', `cannot ${what}: ${said}`, options);
}
