import { hash } from 'node:crypto';

/** Lower-case letters, digits and a few signs: never a path, the same on every file system. */
const plain = /^[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?$/;
const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d|chain|rejections|certificates|manifest)$/;

/**
 * The file name (without extension) of a device. An id of lower-case letters, digits, dots, hyphens
 * and underscores is its own name; of any other the harmless characters are kept for people and a part
 * of its SHA-256 tells it apart: no two ids share a name, also where case does not count.
 */
export function fileNameOf(deviceId: string): string {
  if (plain.test(deviceId) && !reserved.test(deviceId)) return deviceId;
  const readable = deviceId.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, 60).replace(/^[._-]+/, '');
  return `${readable}${readable === '' ? '' : '-'}${hash('sha256', deviceId, 'hex').slice(0, 16)}`;
}
