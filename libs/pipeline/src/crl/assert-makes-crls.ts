import { CertmillError } from '@certmill/domain';
import type { CrlIssuer } from './crl-schedule.js';

/** CONFLICT after the end of an issuer's certificate, and without its key: its last CRLs stay, and none is made. */
export function assertMakesCrls(
  { name, notAfterMs, isKeyAway }: Pick<CrlIssuer, 'name' | 'notAfterMs' | 'isKeyAway'>,
  nowMs: number,
): void {
  const reason =
    nowMs > notAfterMs ? 'has ended' : isKeyAway === true ? 'has its key elsewhere' : undefined;
  if (reason === undefined) return;
  throw new CertmillError('CONFLICT', `issuer '${name}' ${reason}: it makes no CRLs`);
}
