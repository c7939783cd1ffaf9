import { crc32 } from 'node:zlib';
import { changedMeanwhile } from './changed-meanwhile.js';
import { entryName } from './entry-name.js';
import type { ResultGroup } from './result-groups.js';

/** PKWARE APPNOTE 6.3: stored entries, UTF-8 names, 1980-01-01; Zip64 where the counts need it. */
const utf8Names = 0x0800;
const dosDate = 0x0021;
const max16 = 0xffff;
const max32 = 0xffff_ffff;

interface Entry {
  readonly name: Buffer;
  readonly content: Uint8Array;
  readonly crc: number;
}

/**
 * `chain.pem` and the DER of each certificate. The central directory is made by reading the results
 * a second time, so memory does not grow with the batch.
 * CONFLICT where they are others the second time.
 * @param read The same groups each time, the second time the given number of them.
 */
export async function* certificateZip(
  read: (endChunk?: number) => AsyncIterable<ResultGroup>,
  chainPem: string,
): AsyncGenerator<Uint8Array> {
  const chain = entryOf('chain.pem', Buffer.from(chainPem));
  let endChunk = 0;
  let written = localBytes(chain);
  yield localEntry(chain);
  for await (const group of read()) {
    endChunk = group.chunkNumber + 1;
    const local = Buffer.concat(entriesOf(group).map(localEntry));
    written += local.length;
    if (local.length > 0) yield local;
  }

  const directoryStart = written;
  let directoryBytes = 0;
  let count = 1;
  const first = centralEntry(chain, 0);
  directoryBytes += first.length;
  yield first;
  let offset = localBytes(chain);
  for await (const group of read(endChunk)) {
    const parts = entriesOf(group).map((entry) => {
      const central = centralEntry(entry, offset);
      offset += localBytes(entry);
      return central;
    });
    count += parts.length;
    const central = Buffer.concat(parts);
    directoryBytes += central.length;
    if (central.length > 0) yield central;
  }
  if (offset !== directoryStart) throw changedMeanwhile();
  yield endOfDirectory(count, directoryStart, directoryBytes);
}

function entriesOf(group: ResultGroup): readonly Entry[] {
  return group.results.flatMap(({ index, deviceId, certificateDer }) =>
    certificateDer === undefined ? [] : [entryOf(entryName(index, deviceId), certificateDer)],
  );
}

function entryOf(name: string, content: Uint8Array): Entry {
  return { name: Buffer.from(name), content, crc: crc32(content) };
}

const localHeaderBytes = 30;

function localBytes(entry: Entry): number {
  return localHeaderBytes + entry.name.length + entry.content.length;
}

function localEntry(entry: Entry): Buffer {
  const header = Buffer.alloc(localHeaderBytes);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  writeDescription(header, 6, entry);
  return Buffer.concat([header, entry.name, entry.content]);
}

/** Flags to name length, the same in both headers. */
function writeDescription(header: Buffer, at: number, entry: Entry): void {
  header.writeUInt16LE(utf8Names, at);
  header.writeUInt16LE(dosDate, at + 6);
  header.writeUInt32LE(entry.crc, at + 8);
  header.writeUInt32LE(entry.content.length, at + 12);
  header.writeUInt32LE(entry.content.length, at + 16);
  header.writeUInt16LE(entry.name.length, at + 20);
}

function centralEntry(entry: Entry, offset: number): Buffer {
  const isFar = offset >= max32;
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(45, 4);
  header.writeUInt16LE(isFar ? 45 : 20, 6);
  writeDescription(header, 8, entry);
  header.writeUInt32LE(isFar ? max32 : offset, 42);
  if (!isFar) return Buffer.concat([header, entry.name]);
  const extra = Buffer.alloc(12);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8, 2);
  extra.writeBigUInt64LE(BigInt(offset), 4);
  header.writeUInt16LE(extra.length, 30);
  return Buffer.concat([header, entry.name, extra]);
}

function endOfDirectory(count: number, start: number, bytes: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, max16), 8);
  end.writeUInt16LE(Math.min(count, max16), 10);
  end.writeUInt32LE(Math.min(bytes, max32), 12);
  end.writeUInt32LE(Math.min(start, max32), 16);
  if (count < max16 && bytes < max32 && start < max32) return end;
  const far = Buffer.alloc(56);
  far.writeUInt32LE(0x06064b50, 0);
  far.writeBigUInt64LE(44n, 4);
  far.writeUInt16LE(45, 12);
  far.writeUInt16LE(45, 14);
  far.writeBigUInt64LE(BigInt(count), 24);
  far.writeBigUInt64LE(BigInt(count), 32);
  far.writeBigUInt64LE(BigInt(bytes), 40);
  far.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([far, locator, end]);
}
