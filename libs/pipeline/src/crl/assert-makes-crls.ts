import { CertmillError } from '@certmill/domain';
import type { CrlIssuer } from './crl-schedule.js';

/** CONFLICT after the end of an issuer's certificate: its last CRLs stay, and none is made. */
export function assertMakesCrls(
  { name, notAfterMs }: Pick<CrlIssuer, 'name' | 'notAfterMs'>,
  nowMs: number,
): void {
  if (nowMs <= notAfterMs) return;
  throw new CertmillError('CONFLICT', `issuer '${name}' has ended: it makes no CRLs`);
}
