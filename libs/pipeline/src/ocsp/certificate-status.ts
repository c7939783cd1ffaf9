import type { CertStatus } from '@certmill/der';
import {
  crlReasons,
  requestOfSerialNumber,
  serialKeyIdOf,
  type CertificateStatus,
  type RevocationReason,
  type SerialKey,
} from '@certmill/domain';
import type { BatchStore, CertificateStore } from '@certmill/ports';
import type { IssuedNumbers } from './issued-numbers.js';
import type { OcspIssuer } from './ocsp-issuers.js';

/**
 * What is known of a CA certificate: now, or as of the CRL whose times these are; `untold` where that
 * is over.
 */
export type CaStatus =
  | {
      readonly status: CertStatus;
      readonly thisUpdateSeconds?: number;
      readonly nextUpdateSeconds?: number;
    }
  | 'untold';

export interface StatusPorts {
  /**
   * Of a CA certificate by the name of the CA that signed it; undefined where it has signed none of the
   * number. Absent: CA certificates are unknown.
   */
  readonly caStatus?: (
    issuer: string,
    serialNumber: Uint8Array,
    nowMs: number,
  ) => CaStatus | undefined;
  readonly batches: Pick<BatchStore, 'findTenant'>;
  readonly certificates: Pick<CertificateStore, 'findChunk' | 'getStatus'>;
  readonly issued: Pick<IssuedNumbers, 'issuerOf'>;
  /** By id; they certify nothing. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
}

/**
 * The same of a CA certificate; undefined where the number is of none that is known here. Of a CA that is known by
 * several names each may have recorded what it has revoked: revoked by one, it is so.
 */
export function caCertificateStatus(
  { caStatus }: Pick<StatusPorts, 'caStatus'>,
  issuers: readonly Pick<OcspIssuer, 'name'>[],
  serialNumber: Uint8Array,
  nowMs: number,
): CaStatus | undefined {
  if (caStatus === undefined) return undefined;
  const told = issuers
    .map(({ name }) => caStatus(name, serialNumber, nowMs))
    .filter((one) => one !== undefined);
  return told.find((one) => one !== 'untold' && one.status.kind === 'revoked') ?? told[0];
}

/**
 * The status of a device's serial number under issuers that are one to OCSP. A number that is not ours, that
 * another issuer has, or that was never issued is `unknown`: nobody is told that it was revoked (RFC
 * 6960 2.2), for nothing here promises so (4.4.8).
 */
export async function certificateStatus(
  ports: StatusPorts,
  issuers: readonly OcspIssuer[],
  serialNumber: Uint8Array,
): Promise<CertStatus> {
  const keyId = serialKeyIdOf(serialNumber);
  const serialKey = keyId === undefined ? undefined : ports.serialKeys.get(keyId);
  if (serialKey === undefined) return { kind: 'unknown' };
  const { batchId, index } = requestOfSerialNumber(serialKey, serialNumber);
  const tenant = await ports.batches.findTenant(batchId);
  if (tenant === undefined) return { kind: 'unknown' };
  const chunk = await ports.certificates.findChunk(tenant, batchId, index);
  if (chunk === undefined) return { kind: 'unknown' };
  const signedBy = await ports.issued.issuerOf(chunk, index, serialNumber);
  const issuer = issuers.find(({ name }) => name === signedBy);
  if (issuer === undefined) return { kind: 'unknown' };
  return certStatusOf(issuer, await ports.certificates.getStatus(tenant, batchId, index));
}

/** What stands in a response. What was on hold and is released is good. */
export function certStatusOf(
  issuer: Pick<OcspIssuer, 'revoked'>,
  status: CertificateStatus,
): CertStatus {
  if (status.state === 'revoked') return revokedAt(status.atMs, status.reason);
  const { revoked } = issuer;
  return revoked === undefined ? { kind: 'good' } : revokedAt(revoked.revokedAtMs, revoked.reason);
}

function revokedAt(atMs: number, reason: RevocationReason): CertStatus {
  return {
    kind: 'revoked',
    atSeconds: Math.floor(atMs / 1_000),
    reasonNumber: crlReasons[reason],
  };
}
