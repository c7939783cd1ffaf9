import { hash } from 'node:crypto';

/**
 * File systems allow 255 octets; the rest is for the extension and the name while it is written.
 */
const maxNameLength = 200;
const keptLength = 120;

/**
 * Names that Windows keeps for devices, whatever their extension, and our own files of the folder.
 */
const reserved =
  /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|chain|certificates|rejections|manifest)(?:\.|$)/;

/**
 * The file name, without extension, of a device's certificate. Different device ids have different
 * names, also where the file system ignores case, and no id leads out of its folder:
 * - lower-case letters, digits, `-`, `_` and inner dots stay; other octets of its UTF-8 become
 *   `%xx`;
 * - upper-case letters stay too, and a suffix tells them from lower-case ones: `~u` where all
 *   letters are upper-case, else `~` and a bit mask in hex, the first letter the highest bit;
 * - a reserved name has its first letter as `%xx`;
 * - what is too long is cut and ends in `~` and 32 hex digits of the id's SHA-256;
 * - without a device id it is `request~` and the index.
 */
export function certificateFileName(deviceId: string, index: number): string {
  if (deviceId === '') return `request~${String(index)}`;
  let name = deviceId.replace(/[^A-Za-z0-9._-]|^\.|\.$/gu, escaped);
  if (reserved.test(name.toLowerCase())) name = escaped(name.charAt(0)) + name.slice(1);
  name += caseSuffix(deviceId);
  if (name.length <= maxNameLength) return name;
  return `${name.slice(0, keptLength)}~${hash('sha256', deviceId, 'hex').slice(0, 32)}`;
}

function escaped(character: string): string {
  return Buffer.from(character).toString('hex').replace(/../g, '%$&');
}

function caseSuffix(deviceId: string): string {
  const letters = deviceId.replace(/[^A-Za-z]/g, '');
  if (!/[A-Z]/.test(letters)) return '';
  if (!/[a-z]/.test(letters)) return '~u';
  const mask = letters.replace(/[A-Z]/g, '1').replace(/[a-z]/g, '0');
  return `~${BigInt(`0b${mask}`).toString(16)}`;
}
