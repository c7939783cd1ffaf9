import { CertmillError, maxDeviceIdBytes } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import { deviceIdDefect } from './check-device-id.js';

export type AllowListField = keyof AllowListRow;

/** Every accepted spelling of a field, without case, spaces, hyphens and underscores. */
const fieldByName: Readonly<Record<string, AllowListField>> = {
  deviceid: 'deviceId',
  device: 'deviceId',
  id: 'deviceId',
  udid: 'udid',
  keyhash: 'udid',
  spkisha256: 'udid',
  serial: 'serial',
  serialnumber: 'serial',
  model: 'model',
  vendorid: 'vendorId',
  vid: 'vendorId',
  productid: 'productId',
  pid: 'productId',
  site: 'site',
  factory: 'site',
};

/** RFC 5280 A.1 ub-serial-number, ub-common-name and ub-organizational-unit-name are 64. */
const maxTextLength = 64;

/**
 * The field of a column or member name. An unknown one is refused, not ignored: a misspelt `udid`
 * would take the binding of every key off the list. Faults: INVALID_INPUT.
 */
export function allowListFieldOf(name: string, lineNumber: number): AllowListField {
  const key = name.toLowerCase().replace(/[\s_-]/g, '');
  const field = Object.hasOwn(fieldByName, key) ? fieldByName[key] : undefined;
  if (field !== undefined) return field;
  const shown = JSON.stringify(name.slice(0, 40));
  throw invalidRow(
    lineNumber,
    `${shown} is not a field of an allow-list: ${[...new Set(Object.values(fieldByName))].join(', ')}`,
  );
}

/**
 * A row after its values are checked and brought to one spelling; empty values are absent. It needs
 * a deviceId or a udid to be found by. Faults: INVALID_INPUT with line and reason.
 */
export function allowListRow(
  values: readonly (readonly [AllowListField, string])[],
  lineNumber: number,
): AllowListRow {
  const row: { -readonly [F in AllowListField]?: string } = {};
  for (const [field, raw] of values) {
    const value = raw.trim();
    if (value === '') continue;
    if (row[field] !== undefined) throw invalidRow(lineNumber, `${field} stands twice`);
    row[field] = normalized(field, value, lineNumber);
  }
  if (row.deviceId === undefined && row.udid === undefined) {
    throw invalidRow(lineNumber, 'neither deviceId nor udid is given');
  }
  return row;
}

export function invalidRow(lineNumber: number, reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `line ${String(lineNumber)}: ${reason}`);
}

function normalized(field: AllowListField, value: string, lineNumber: number): string {
  switch (field) {
    case 'deviceId': {
      const defect = deviceIdDefect(value, maxDeviceIdBytes);
      if (defect !== undefined) throw invalidRow(lineNumber, defect);
      return value;
    }
    case 'udid': {
      // OpenSSL prints fingerprints in upper case with colons.
      const hex = value.replaceAll(':', '').toLowerCase();
      if (/^[0-9a-f]{64}$/.test(hex)) return hex;
      throw invalidRow(lineNumber, 'udid is not 64 hex digits (SHA-256 of SubjectPublicKeyInfo)');
    }
    case 'vendorId':
    case 'productId': {
      const hex = value.replace(/^0x/i, '').toUpperCase();
      if (/^[0-9A-F]{4}$/.test(hex)) return hex;
      throw invalidRow(lineNumber, `${field} is not 4 hex digits`);
    }
    case 'serial':
    case 'model':
    case 'site':
      if (Array.from(value).length > maxTextLength) {
        throw invalidRow(lineNumber, `${field} has more than ${String(maxTextLength)} characters`);
      }
      if (deviceIdDefect(value, Infinity) !== undefined) {
        throw invalidRow(lineNumber, `${field} has control characters`);
      }
      return value;
  }
}
