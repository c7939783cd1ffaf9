import { CertmillError, maxDeviceIdBytes } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';

/**
 * A row in a page: one octet that says which fields follow (never 0: a row has a device id or a
 * UDID), then the fields in this order. Text is UTF-8 after one octet of length; a UDID takes 32
 * octets, vendor and product id two each.
 */
const flags = {
  deviceId: 1,
  udid: 2,
  serial: 4,
  model: 8,
  vendorId: 16,
  productId: 32,
  site: 64,
} as const;

export const udidBytes = 32;
const maxTextBytes = 255;
/** All fields present and as long as they may be. */
export const maxRowBytes = 1 + (1 + maxDeviceIdBytes) + udidBytes + 2 * 2 + 3 * (1 + maxTextBytes);

/** Where a row's ids lie; -1 where absent. */
export interface RowPlace {
  deviceIdAt: number;
  deviceIdEnd: number;
  udidAt: number;
  end: number;
}

const udidPattern = /^[0-9a-f]{64}$/i;
const shortIdPattern = /^[0-9A-F]{4}$/;

/**
 * Writes a row at the front of `into` (at least `maxRowBytes`) and tells in `place` where its ids
 * are. A UDID is kept in lower case.
 * @param rowNumber Counted from 1, for messages.
 * Faults: INVALID_INPUT naming row and field.
 */
export function encodeRow(
  row: AllowListRow,
  into: Buffer,
  rowNumber: number,
  place: RowPlace,
): void {
  const refuse = (field: string, value: string, rule: string): never => {
    throw new CertmillError(
      'INVALID_INPUT',
      `row ${String(rowNumber)}: ${field} '${value.slice(0, 80)}' ${rule}`,
    );
  };
  let present = 0;
  let at = 1;
  const putText = (field: keyof typeof flags, value: string, maxBytes: number): void => {
    if (!value.isWellFormed()) refuse(field, value, 'is not valid Unicode');
    if (Buffer.byteLength(value) > maxBytes) {
      refuse(field, value, `is longer than ${String(maxBytes)} octets`);
    }
    const length = into.write(value, at + 1);
    into[at] = length;
    at += 1 + length;
    present |= flags[field];
  };
  const putShortId = (field: 'vendorId' | 'productId', value: string): void => {
    if (!shortIdPattern.test(value)) refuse(field, value, 'must be 4 upper-case hex digits');
    at = into.writeUInt16BE(Number.parseInt(value, 16), at);
    present |= flags[field];
  };

  place.deviceIdAt = -1;
  place.udidAt = -1;
  if (row.deviceId !== undefined) {
    if (row.deviceId === '') refuse('deviceId', '', 'is empty: leave it out or name the device');
    putText('deviceId', row.deviceId, maxDeviceIdBytes);
    place.deviceIdAt = 2;
    place.deviceIdEnd = at;
  }
  if (row.udid !== undefined) {
    if (!udidPattern.test(row.udid)) refuse('udid', row.udid, 'must be 64 hex digits');
    place.udidAt = at;
    at += into.write(row.udid, at, 'hex');
    present |= flags.udid;
  }
  if (present === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      `row ${String(rowNumber)} has neither a device id nor a UDID: no request could match it`,
    );
  }
  if (row.serial !== undefined) putText('serial', row.serial, maxTextBytes);
  if (row.model !== undefined) putText('model', row.model, maxTextBytes);
  if (row.vendorId !== undefined) putShortId('vendorId', row.vendorId);
  if (row.productId !== undefined) putShortId('productId', row.productId);
  if (row.site !== undefined) putText('site', row.site, maxTextBytes);
  into[0] = present;
  place.end = at;
}

/** Finds a row's ids and end without decoding it. `at` is the octet it starts at. */
export function locateRow(bytes: Buffer, at: number, place: RowPlace): void {
  const present = bytes[at] as number;
  let next = at + 1;
  const skipText = (): void => {
    next += 1 + (bytes[next] as number);
  };
  place.deviceIdAt = -1;
  place.udidAt = -1;
  if (present & flags.deviceId) {
    place.deviceIdAt = next + 1;
    skipText();
    place.deviceIdEnd = next;
  }
  if (present & flags.udid) {
    place.udidAt = next;
    next += udidBytes;
  }
  if (present & flags.serial) skipText();
  if (present & flags.model) skipText();
  if (present & flags.vendorId) next += 2;
  if (present & flags.productId) next += 2;
  if (present & flags.site) skipText();
  place.end = next;
}

/** The row that starts at octet `at`. */
export function decodeRow(bytes: Buffer, at: number): AllowListRow {
  const present = bytes[at] as number;
  let next = at + 1;
  const takeText = (): string => {
    const start = next + 1;
    next = start + (bytes[next] as number);
    return bytes.toString('utf8', start, next);
  };
  const takeShortId = (): string => {
    next += 2;
    return bytes.toString('hex', next - 2, next).toUpperCase();
  };
  const row: { -readonly [Field in keyof AllowListRow]: AllowListRow[Field] } = {};
  if (present & flags.deviceId) row.deviceId = takeText();
  if (present & flags.udid) {
    next += udidBytes;
    row.udid = bytes.toString('hex', next - udidBytes, next);
  }
  if (present & flags.serial) row.serial = takeText();
  if (present & flags.model) row.model = takeText();
  if (present & flags.vendorId) row.vendorId = takeShortId();
  if (present & flags.productId) row.productId = takeShortId();
  if (present & flags.site) row.site = takeText();
  return row;
}
