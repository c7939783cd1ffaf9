import {
  CertmillError,
  crlReasonOf,
  crlReasons,
  serialNumberBytes,
  type CertificateStatus,
  type CrlReason,
} from '@certmill/domain';
import type { RevokedCertificate } from '@certmill/ports';

/** What a scope knows of a certificate; a released one has the reason removeFromCRL. */
export interface ScopeRow extends RevokedCertificate {
  /** The scope's count of changes with this one. */
  readonly change: number;
}

const numberBytes = Float64Array.BYTES_PER_ELEMENT;
const numbersPerRow = 5;
const rowBytes = serialNumberBytes + numbersPerRow * numberBytes;

export function encodeRows(rows: readonly ScopeRow[]): Uint8Array {
  const encoded = Buffer.alloc(rows.length * rowBytes);
  rows.forEach((row, i) => {
    const at = i * rowBytes;
    encoded.set(row.serialNumber, at);
    const numbers = [
      crlReasons[row.reason],
      row.revokedAtMs,
      row.invalidityDateMs ?? NaN,
      row.notAfterMs,
      row.change,
    ];
    numbers.forEach((number, n) => {
      encoded.writeDoubleBE(number, at + serialNumberBytes + n * numberBytes);
    });
  });
  return encoded;
}

/** Faults: FAULT_STORE_CORRUPT. */
export function decodeRows(encoded: Uint8Array): ScopeRow[] {
  if (encoded.length % rowBytes !== 0) throw damaged();
  // A copy: the driver's view keeps the whole reply in memory.
  const bytes = Buffer.from(encoded);
  return Array.from({ length: bytes.length / rowBytes }, (_, i) => {
    const at = i * rowBytes;
    const number = (n: number) => bytes.readDoubleBE(at + serialNumberBytes + n * numberBytes);
    const invalidityDateMs = number(2);
    return {
      serialNumber: new Uint8Array(bytes.subarray(at, at + serialNumberBytes)),
      reason: reasonOf(number(0)),
      revokedAtMs: number(1),
      ...(Number.isNaN(invalidityDateMs) ? {} : { invalidityDateMs }),
      notAfterMs: number(3),
      change: number(4),
    };
  });
}

export function statusOfRow(row: ScopeRow): CertificateStatus {
  const { reason, revokedAtMs: atMs, invalidityDateMs } = row;
  if (reason === 'removeFromCRL') return { state: 'good', releasedAtMs: atMs };
  const lost = invalidityDateMs === undefined ? {} : { invalidityDateMs };
  return { state: 'revoked', reason, atMs, ...lost };
}

export function rowOfStatus(
  status: CertificateStatus,
  certificate: Pick<ScopeRow, 'serialNumber' | 'notAfterMs' | 'change'>,
): ScopeRow {
  const { serialNumber, notAfterMs, change } = certificate;
  const own = { serialNumber, notAfterMs, change };
  if (status.state === 'good') {
    return { ...own, reason: 'removeFromCRL', revokedAtMs: status.releasedAtMs ?? 0 };
  }
  const { reason, atMs: revokedAtMs, invalidityDateMs } = status;
  return {
    ...own,
    reason,
    revokedAtMs,
    ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
  };
}

function reasonOf(number: number): CrlReason {
  const reason = crlReasonOf(number);
  if (reason === undefined) throw damaged();
  return reason;
}

function damaged(): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', 'the rows of a CRL are damaged');
}
