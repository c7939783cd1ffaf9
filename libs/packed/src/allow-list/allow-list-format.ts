import { CertmillError } from '@certmill/domain';
import { isPageIntact, pageBytes, pageWords, payloadWords, sealPage } from '../packed-runs/page.js';
import type { HashSalt } from './half-sip-hash.js';
import { indexBytes, type IndexShape } from './id-index.js';

/**
 * An allow-list file, never changed once written:
 *
 *   header page | row pages | index by device id | index by UDID
 *
 * Rows lie in list order, each at a multiple of 4 octets and within one page, so that a request in
 * list order finds its page in the cache. A row's location is its offset in the row pages divided
 * by 4.
 */
export const rowsAt = pageBytes;
export const rowAlignment = 4;
/** The last word of a page's own part is the number of rows in the pages before it. */
export const firstRowWord = payloadWords - 1;
export const rowBytesPerPage = firstRowWord * 4;
export const locationsPerPage = pageBytes / rowAlignment;
/** Locations have 32 bits. */
export const maxPages = Math.floor(0x1_0000_0000 / locationsPerPage);

export interface StoredIndex extends IndexShape {
  readonly crc: number;
}

export interface AllowListHeader {
  readonly devices: number;
  readonly pages: number;
  readonly salt: HashSalt;
  readonly byDeviceId: StoredIndex;
  readonly byUdid: StoredIndex;
}

/** Read through a typed array, so a machine of other endianness sees another number. */
const magic = 0x4c41_4d43;
const formatVersion = 1;

export function deviceIndexAt(header: Pick<AllowListHeader, 'pages'>): number {
  return rowsAt + header.pages * pageBytes;
}

export function udidIndexAt(header: Pick<AllowListHeader, 'pages' | 'byDeviceId'>): number {
  return deviceIndexAt(header) + indexBytes(header.byDeviceId);
}

/** Length of the whole file in octets. */
export function allowListBytes(
  header: Pick<AllowListHeader, 'pages' | 'byDeviceId' | 'byUdid'>,
): number {
  return udidIndexAt(header) + indexBytes(header.byUdid);
}

export function encodeAllowListHeader(header: AllowListHeader): Uint8Array {
  const words = new Int32Array(pageWords);
  const bytes = new Uint8Array(words.buffer);
  const { byDeviceId, byUdid } = header;
  words.set([
    magic,
    formatVersion,
    header.devices,
    header.pages,
    ...header.salt,
    byDeviceId.keys,
    byDeviceId.bucketBits,
    byDeviceId.crc,
    byUdid.keys,
    byUdid.bucketBits,
    byUdid.crc,
  ]);
  sealPage(words, bytes, 0, 0);
  return bytes;
}

/**
 * @param bytes The first page of the file, aligned to 4 octets.
 * Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED (written by a newer Certmill).
 */
export function decodeAllowListHeader(
  bytes: Uint8Array,
  fileBytes: number,
  path: string,
): AllowListHeader {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, pageWords);
  if (words[0] !== magic || !isPageIntact(words, bytes, 0, 0)) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} has no intact header of an allow-list`);
  }
  if (words[1] !== formatVersion) {
    throw new CertmillError(
      'DATA_FORMAT_UNSUPPORTED',
      `${path} has allow-list format ${String(words[1])}, ` +
        `this version reads ${String(formatVersion)}`,
    );
  }
  const indexFrom = (at: number): StoredIndex => ({
    keys: (words[at] as number) >>> 0,
    bucketBits: words[at + 1] as number,
    crc: words[at + 2] as number,
  });
  const header: AllowListHeader = {
    devices: (words[2] as number) >>> 0,
    pages: (words[3] as number) >>> 0,
    salt: [words[4] as number, words[5] as number],
    byDeviceId: indexFrom(6),
    byUdid: indexFrom(9),
  };
  if (fileBytes !== allowListBytes(header)) {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `${path} has ${String(fileBytes)} octets instead of ${String(allowListBytes(header))}`,
    );
  }
  return header;
}
