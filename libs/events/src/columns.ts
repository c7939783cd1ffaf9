import {
  batchIdBytes,
  CertmillError,
  leastRequestsPerChunk,
  maxRequestsPerChunk,
  requestBounds,
} from '@certmill/domain';
import { textOf, undecodable } from './message-reader.js';

/**
 * Bounds of a record's columns. A request's certificate is some 2 KiB at most (RSA 4096 with a long
 * subject); 8 KiB leave room for custom extensions and keep a record under 4 MiB. Larger chunks are of
 * profiles whose certificates are smaller.
 */
export const maxCertificatesBytes = leastRequestsPerChunk * requestBounds.certificate;
export const maxValuesBytes = leastRequestsPerChunk * requestBounds.values;
/** A device id, a detail or a source is a line of text, not a document. */
export const maxTextBytes = 4 * 1024;
/** Far above any profile's number of variable fields. */
export const maxValuesPerRequest = 64;

/** How many requests a chunk says it has, within the bounds. */
export function requestCount(count: number, what: string): number {
  if (count > maxRequestsPerChunk) {
    throw undecodable(`${what}: more than ${String(maxRequestsPerChunk)} requests`);
  }
  return count;
}

/** A column as it was sent, or zeros where it was left out. Throws where it is not aligned. */
export function numberColumn(
  sent: number[],
  count: number,
  maxValue: number,
  what: string,
): readonly number[] {
  if (sent.length === 0) return new Array<number>(count).fill(0);
  if (sent.length !== count) throw undecodable(`${what} is not aligned with the requests`);
  for (const value of sent) {
    if (value > maxValue) throw undecodable(`${what} has an entry over ${String(maxValue)}`);
  }
  return sent;
}

/** Lengths of what stands back to back in `bytes`; they must add up. */
export function lengthColumn(
  sent: number[],
  count: number,
  bytes: Uint8Array,
  maxBytes: number,
  what: string,
): readonly number[] {
  if (bytes.length > maxBytes) throw undecodable(`${what} is over ${String(maxBytes)} octets`);
  const lengths = numberColumn(sent, count, maxBytes, what);
  let sum = 0;
  for (const length of lengths) sum += length;
  if (sum !== bytes.length) throw undecodable(`the lengths of ${what} do not add up`);
  return lengths;
}

/** A column of texts that stand back to back in UTF-8. */
export function textColumn(
  bytes: Buffer,
  sent: number[],
  count: number,
  what: string,
): readonly string[] {
  if (bytes.length === 0 && sent.length === 0) return new Array<string>(count).fill('');
  const lengths = lengthColumn(sent, count, bytes, count * maxTextBytes, what);
  const joined = textOf(bytes, what);
  const column = new Array<string>(count);
  // All ASCII is the common case: characters are octets, and one decoded text is cut up.
  const isAsciiOnly = joined.length === bytes.length;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + (lengths[i] ?? 0);
    column[i] = isAsciiOnly ? joined.slice(at, end) : textOf(bytes.subarray(at, end), what);
    at = end;
  }
  return column;
}

/** Columns of another length than they should have are a defect of the stage that made them. */
export function assertAligned(
  what: string,
  count: number,
  ...columns: readonly (readonly unknown[])[]
): void {
  if (columns.some((column) => column.length !== count)) {
    throw new CertmillError('FAULT_PROCESSING', `${what}: the columns are not aligned`);
  }
}

/** The 26 hex digits of a batch id. */
export function batchIdOfBytes(bytes: Buffer, what: string): string {
  if (bytes.length !== batchIdBytes) throw undecodable(`${what}: the batch id has another length`);
  return bytes.toString('hex');
}
