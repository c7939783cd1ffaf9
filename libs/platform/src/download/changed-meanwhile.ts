import { CertmillError } from '@certmill/domain';

/** A dead letter was settled between two readings of the same results. */
export function changedMeanwhile(): CertmillError {
  return new CertmillError('CONFLICT', 'the results changed while they were read; ask again');
}
