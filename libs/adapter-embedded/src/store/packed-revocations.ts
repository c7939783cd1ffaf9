import { CertmillError, crlReasonOf, serialNumberBytes } from '@certmill/domain';
import type { RevokedCertificate } from '@certmill/ports';

/** What a page of rows says besides its rows: how far it looked. */
export interface RevokedPage {
  readonly revoked: readonly RevokedCertificate[];
  /** The last row that was looked at; undefined where there is nothing behind it. */
  readonly lookedUpTo?: Uint8Array;
}

/** A row as it is stored; reason and times as numbers. */
export interface RevocationRow {
  readonly serialNumber: Uint8Array;
  readonly reason: number;
  readonly revokedAtMs: number;
  readonly invalidityDateMs: number | undefined;
  readonly notAfterMs: number;
}

const absent = NaN;
const numbersPerRow = 4;
const rowBytes = serialNumberBytes + numbersPerRow * Float64Array.BYTES_PER_ELEMENT;

/**
 * Rows of a page in one buffer that can be transferred: a clone of ten thousand objects would keep the
 * store thread from others for longer than reading them.
 */
export function packRevocations(
  rows: readonly RevocationRow[],
  lookedUpTo: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const tail = lookedUpTo ?? new Uint8Array();
  const packed = new Uint8Array(rows.length * rowBytes + tail.length);
  const view = new DataView(packed.buffer);
  rows.forEach((row, i) => {
    const at = i * rowBytes;
    packed.set(row.serialNumber, at);
    const numbers = [row.reason, row.revokedAtMs, row.invalidityDateMs ?? absent, row.notAfterMs];
    numbers.forEach((number, n) => {
      view.setFloat64(at + serialNumberBytes + n * Float64Array.BYTES_PER_ELEMENT, number);
    });
  });
  packed.set(tail, rows.length * rowBytes);
  return packed;
}

/** Serial numbers are views into the page. */
export function unpackRevocations(packed: Uint8Array): RevokedPage {
  const count = Math.floor(packed.length / rowBytes);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const revoked = Array.from({ length: count }, (_, i): RevokedCertificate => {
    const at = i * rowBytes;
    const number = (n: number): number =>
      view.getFloat64(at + serialNumberBytes + n * Float64Array.BYTES_PER_ELEMENT);
    const reason = crlReasonOf(number(0));
    if (reason === undefined) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a revocation has an unknown reason');
    }
    const invalidityDateMs = number(2);
    return {
      serialNumber: packed.subarray(at, at + serialNumberBytes),
      reason,
      revokedAtMs: number(1),
      ...(Number.isNaN(invalidityDateMs) ? {} : { invalidityDateMs }),
      notAfterMs: number(3),
    };
  });
  const tail = packed.subarray(count * rowBytes);
  return { revoked, ...(tail.length === 0 ? {} : { lookedUpTo: tail }) };
}
