import {
  CertmillError,
  crlReasonOf,
  crlReasons,
  serialNumberBytes,
  type CrlReason,
} from '@certmill/domain';
import { forgedStatus } from '@certmill/pipeline';
import type { CrlScope } from '@certmill/ports';
import { nameOf, type SummedRow } from './scope-sums.js';

/** Of `revocations`, in the order that `storedRowOf` takes. */
export const rowColumns = [
  'serial_number',
  'reason',
  'revoked_at_ms',
  'invalidity_date_ms',
  'not_after_ms',
  'change',
] as const;

const knownReasons: ReadonlySet<unknown> = new Set(Object.values(crlReasons));

/**
 * A row of a scope. Who can write the store can alter its schema too, and what is no number or has another
 * length might be hashed as if it was: FAULT_STATUS_FORGED.
 */
export function storedRowOf(scope: CrlScope, values: readonly unknown[]): SummedRow {
  const [serialNumber, reason, revokedAtMs, invalidityDateMs, notAfterMs, change] = values;
  const isSound =
    serialNumber instanceof Uint8Array &&
    serialNumber.length === serialNumberBytes &&
    knownReasons.has(reason) &&
    Number.isSafeInteger(revokedAtMs) &&
    (invalidityDateMs === null || Number.isSafeInteger(invalidityDateMs)) &&
    Number.isSafeInteger(notAfterMs) &&
    Number.isSafeInteger(change);
  if (!isSound) throw unsoundRow(scope);
  return {
    serialNumber,
    reason: reason as number,
    revokedAtMs: revokedAtMs as number,
    invalidityDateMs: (invalidityDateMs ?? undefined) as number | undefined,
    notAfterMs: notAfterMs as number,
    change: change as number,
  };
}

/** What `read` reads of a scope; an integer that is no safe one cannot be read at all. */
export function readSoundly<T>(scope: CrlScope, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    throw code === 'ERR_OUT_OF_RANGE' ? unsoundRow(scope) : error;
  }
}

/** Faults: FAULT_STORE_CORRUPT. */
export function storedReasonOf(number: number): CrlReason {
  const reason = crlReasonOf(number);
  if (reason !== undefined) return reason;
  throw new CertmillError('FAULT_STORE_CORRUPT', 'a revocation has an unknown reason');
}

function unsoundRow(scope: CrlScope): Error {
  return forgedStatus(`a row of ${nameOf(scope)} is one that nobody records`);
}
