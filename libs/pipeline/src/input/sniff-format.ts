import type { Compression } from './decompress.js';

export type InputFormat = 'ndjson' | 'pem' | 'csv' | 'der' | 'tar';

/** Octets from the beginning that sniffFormat wants to see: a tar header is 512. */
export const sniffBytes = 512;

const formatByContentType: Readonly<Record<string, InputFormat>> = {
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/x-pem-file': 'pem',
  'text/csv': 'csv',
  'application/x-tar': 'tar',
  'application/pkcs10': 'der',
};

/** Extensions that mark a file of requests; folders and archives are read by these alone. */
const formatByExtension: Readonly<Record<string, InputFormat | 'any'>> = {
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.pem': 'pem',
  '.csv': 'csv',
  '.tar': 'tar',
  '.der': 'der',
  // DER or PEM, as the tool that wrote it likes.
  '.csr': 'any',
  '.req': 'any',
  '.p10': 'any',
};

const compressionByExtension: Readonly<Record<string, Compression>> = {
  '.gz': 'gzip',
  '.zst': 'zstd',
};

/** The compression that the first octets show (RFC 1952 2.3.1, RFC 8878 3.1.1). */
export function sniffCompression(firstBytes: Uint8Array): Compression | undefined {
  const [a, b, c, d] = firstBytes;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  return undefined;
}

/**
 * The format of an upload or a file, after decompression. What the octets show beyond doubt goes
 * first, for names and content types are often wrong; then the content type, then the name, then a
 * guess between text (PEM) and DER.
 */
export function sniffFormat(
  firstBytes: Uint8Array,
  fileName?: string,
  contentType?: string,
): InputFormat {
  const bytes = Buffer.from(firstBytes.buffer, firstBytes.byteOffset, firstBytes.byteLength);
  return shownFormat(bytes) ?? declaredFormat(contentType) ?? namedFormat(fileName) ?? guess(bytes);
}

/** Whether a name is one of a file of requests, compressed or not. */
export function hasRequestExtension(fileName: string): boolean {
  return extensionOf(fileName) in formatByExtension;
}

function shownFormat(bytes: Buffer): InputFormat | undefined {
  if (bytes.toString('latin1', 257, 262) === 'ustar') return 'tar';
  // The digit 0 is 0x30 too, but no text goes on with a long-form length.
  if (bytes[0] === 0x30 && bytes[1] !== undefined && bytes[1] >= 0x80) return 'der';
  const text = bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (/^\{\s*"/.test(text)) return 'ndjson';
  if (/(?:^|[",;\t])csr(?:$|[",;\t])/im.test(text.split(/\r?\n/, 1)[0] ?? '')) return 'csv';
  return /^-----BEGIN /m.test(text) ? 'pem' : undefined;
}

function declaredFormat(contentType: string | undefined): InputFormat | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return type === undefined ? undefined : formatByContentType[type];
}

function namedFormat(fileName: string | undefined): InputFormat | undefined {
  const format = fileName === undefined ? undefined : formatByExtension[extensionOf(fileName)];
  return format === 'any' ? undefined : format;
}

/** Lower case, with the dot, without that of the compression; '' where there is none. */
function extensionOf(fileName: string): string {
  const name = fileName.toLowerCase();
  const outer = /\.[^./\\]+$/.exec(name)?.[0] ?? '';
  if (outer === '.tgz') return '.tar';
  if (!(outer in compressionByExtension)) return outer;
  return /\.[^./\\]+$/.exec(name.slice(0, -outer.length))?.[0] ?? '';
}

/** Text is what has no control characters but white space. */
function guess(bytes: Buffer): InputFormat {
  const isText = bytes.every((octet) => octet >= 0x20 || (octet >= 0x09 && octet <= 0x0d));
  return isText ? 'pem' : 'der';
}
