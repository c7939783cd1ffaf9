import { CertmillError } from '@certmill/domain';

/** Refuses a revocation of keys that are to be lost later. Faults: INVALID_INPUT. */
export function assertInvalidityDate(
  { invalidityDateMs }: { readonly invalidityDateMs?: number },
  nowMs: number,
): void {
  if (invalidityDateMs === undefined || invalidityDateMs <= nowMs) return;
  throw new CertmillError('INVALID_INPUT', 'the invalidity date is not in the past');
}
