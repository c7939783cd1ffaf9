import { hasControlCharacters } from '@certmill/der';

/**
 * What is wrong with a device id that an upload or an allow-list gives; undefined where nothing is.
 * The value itself is not quoted: it may hold anything.
 */
export function deviceIdDefect(deviceId: string, maxBytes: number): string | undefined {
  // One UTF-16 unit has at most 3 octets of UTF-8: the exact count is needed in between only.
  if (deviceId.length * 3 > maxBytes && Buffer.byteLength(deviceId) > maxBytes) {
    return `the device id has more than ${String(maxBytes)} octets of UTF-8`;
  }
  if (hasControlCharacters(deviceId)) return 'the device id has control characters';
  if (!deviceId.isWellFormed()) return 'the device id is not well-formed Unicode';
  return undefined;
}
