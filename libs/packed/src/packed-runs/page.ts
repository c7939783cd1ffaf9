import { crc32 } from 'node:zlib';

/** Packed files are read by pages of one size, each with its own number and CRC-32 at the end. */
export const pageBytes = 4096;
export const pageWords = pageBytes / 4;
/** Words at the front of a page that are its owner's; the two after are the number and the CRC. */
export const payloadWords = pageWords - 2;

const numberWord = pageWords - 2;
const crcWord = pageWords - 1;
const crcBytes = crcWord * 4;

/**
 * Writes number and CRC into the page that starts at word `at`.
 * @param words Over the same memory as `bytes`, both starting at the same octet.
 */
export function sealPage(words: Int32Array, bytes: Uint8Array, at: number, page: number): void {
  words[at + numberWord] = page;
  words[at + crcWord] = crc32(bytes.subarray(at * 4, at * 4 + crcBytes)) | 0;
}

/** Whether the page at word `at` is page `page` and no bit of it changed. */
export function isPageIntact(
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
  page: number,
): boolean {
  return (
    words[at + numberWord] === page &&
    words[at + crcWord] === (crc32(bytes.subarray(at * 4, at * 4 + crcBytes)) | 0)
  );
}
