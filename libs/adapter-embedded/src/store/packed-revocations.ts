import { CertmillError, serialNumberBytes } from '@certmill/domain';
import type { RevokedCertificate } from '@certmill/ports';
import { storedReasonOf } from './stored-row.js';

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
const countBytes = 4;
const rowBytes = serialNumberBytes + numbersPerRow * Float64Array.BYTES_PER_ELEMENT;

/**
 * Rows of a page in one buffer that can be transferred: a clone of ten thousand objects would keep the
 * store thread from others for longer than reading them. Their number, the rows, how far it looked; all
 * serial numbers have 20 octets.
 */
export function packRevocations(
  rows: readonly RevocationRow[],
  lookedUpTo: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const tail = lookedUpTo ?? new Uint8Array();
  const tailAt = countBytes + rows.length * rowBytes;
  const packed = new Uint8Array(tailAt + tail.length);
  const view = new DataView(packed.buffer);
  view.setUint32(0, rows.length);
  rows.forEach((row, i) => {
    const at = countBytes + i * rowBytes;
    packed.set(row.serialNumber, at);
    const numbers = [row.reason, row.revokedAtMs, row.invalidityDateMs ?? absent, row.notAfterMs];
    numbers.forEach((number, n) => {
      view.setFloat64(at + serialNumberBytes + n * Float64Array.BYTES_PER_ELEMENT, number);
    });
  });
  packed.set(tail, tailAt);
  return packed;
}

/** Serial numbers are views into the page. Faults: FAULT_STORE_CORRUPT. */
export function unpackRevocations(packed: Uint8Array): RevokedPage {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const count = view.getUint32(0);
  const tail = packed.subarray(countBytes + count * rowBytes);
  if (tail.length !== 0 && tail.length !== serialNumberBytes) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a page of revocations has another length');
  }
  const revoked = Array.from({ length: count }, (_, i): RevokedCertificate => {
    const at = countBytes + i * rowBytes;
    const number = (n: number): number =>
      view.getFloat64(at + serialNumberBytes + n * Float64Array.BYTES_PER_ELEMENT);
    const invalidityDateMs = number(2);
    return {
      serialNumber: packed.subarray(at, at + serialNumberBytes),
      reason: storedReasonOf(number(0)),
      revokedAtMs: number(1),
      ...(Number.isNaN(invalidityDateMs) ? {} : { invalidityDateMs }),
      notAfterMs: number(3),
    };
  });
  return { revoked, ...(tail.length === 0 ? {} : { lookedUpTo: tail }) };
}
