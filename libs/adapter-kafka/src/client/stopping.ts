import { CertmillError } from '@certmill/domain';

export function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the event log is stopping');
}
