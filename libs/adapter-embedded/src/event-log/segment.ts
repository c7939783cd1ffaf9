import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { Disk, DiskFile } from '../disk.js';
import { frameHeadBytes, frameMagic, isIntact, parseFrameHead } from './record-frame.js';

/** A segment file: `<offset of its first record, 16 digits>.log`, a head, then frames. */
export interface Segment {
  readonly path: string;
  readonly baseOffset: number;
  /** Where the segment begins in the topic's bytes since it was opened: measures backlog. */
  readonly startBytes: number;
}

/** Magic, format version and base offset, u64 little-endian. */
export const segmentHeadBytes = 16;
const segmentMagic = 'CMLG';
const formatVersion = 1;
const namePattern = /^(\d{16})\.log$/;

export function segmentPath(directory: string, baseOffset: number): string {
  return join(directory, `${String(baseOffset).padStart(16, '0')}.log`);
}

/** Undefined where the file is no segment. */
export function baseOffsetOf(fileName: string): number | undefined {
  const digits = namePattern.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function segmentHead(baseOffset: number): Buffer {
  const head = Buffer.alloc(segmentHeadBytes);
  head.write(segmentMagic, 'latin1');
  head.writeUInt32LE(formatVersion, 4);
  head.writeBigUInt64LE(BigInt(baseOffset), 8);
  return head;
}

/**
 * Whether the file begins as a segment. False for one whose creation was cut off, which holds no
 * record. Throws DATA_FORMAT_UNSUPPORTED for another version, FAULT_STORE_CORRUPT for anything else.
 */
export async function hasSegmentHead(
  file: DiskFile,
  baseOffset: number,
  path: string,
): Promise<boolean> {
  const head = Buffer.alloc(segmentHeadBytes);
  await file.read(head, 0);
  if (head.equals(segmentHead(baseOffset))) return true;
  // The head is durable before a record follows it: a file that ends with it has lost nothing.
  const size = await file.size();
  const isBlank = size === segmentHeadBytes && head.every((octet) => octet === 0);
  if (size < segmentHeadBytes || isBlank) return false;
  const version = head.readUInt32LE(4);
  if (head.toString('latin1', 0, 4) === segmentMagic && version !== formatVersion) {
    throw new CertmillError(
      'DATA_FORMAT_UNSUPPORTED',
      `${path} has log format ${String(version)}, this release reads ${String(formatVersion)}`,
    );
  }
  throw new CertmillError('FAULT_STORE_CORRUPT', `${path} does not begin as a log segment`);
}

/** Where the whole records of a segment end. */
export interface SegmentEnd {
  readonly nextOffset: number;
  readonly endBytes: number;
  /** Octets behind `endBytes` that are no whole record. */
  readonly tornBytes: number;
}

/**
 * Reads the last segment of a topic, checks every record and finds where they end.
 * Throws FAULT_STORE_CORRUPT where a record is broken that was durable once.
 */
export async function findSegmentEnd(disk: Disk, segment: Segment): Promise<SegmentEnd> {
  const file = await disk.open(segment.path);
  try {
    const size = await file.size();
    let position = segmentHeadBytes;
    let offset = segment.baseOffset;
    for (;;) {
      const next = await readFrame(file, position, size, offset);
      if (next === undefined) break;
      position = next;
      offset++;
    }
    if (position < size && (await wasDurable(file, position, size))) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `${segment.path}: the record at octet ${String(position)} is damaged`,
      );
    }
    return { nextOffset: offset, endBytes: position, tornBytes: size - position };
  } finally {
    await file.close();
  }
}

/** The position behind an intact frame with that offset, undefined where there is none. */
async function readFrame(
  file: DiskFile,
  position: number,
  size: number,
  offset: number,
): Promise<number | undefined> {
  const head = Buffer.allocUnsafe(frameHeadBytes);
  if ((await file.read(head, position)) < frameHeadBytes) return undefined;
  const parsed = parseFrameHead(head);
  if (parsed?.offset !== offset) return undefined;
  const end = position + frameHeadBytes + parsed.bodyBytes;
  if (end > size) return undefined;
  const body = Buffer.allocUnsafe(parsed.bodyBytes);
  await file.read(body, position + frameHeadBytes);
  return isIntact(head, body) ? end : undefined;
}

/** Whether an intact record behind `position` says that the file was durable beyond it. */
async function wasDurable(file: DiskFile, position: number, size: number): Promise<boolean> {
  const rest = Buffer.allocUnsafe(size - position);
  await file.read(rest, position);
  for (let at = rest.indexOf(frameMagic); at >= 0; at = rest.indexOf(frameMagic, at + 1)) {
    const head = rest.subarray(at, at + frameHeadBytes);
    const parsed = parseFrameHead(head);
    if (parsed === undefined || parsed.durableBytes <= position) continue;
    const body = rest.subarray(at + frameHeadBytes, at + frameHeadBytes + parsed.bodyBytes);
    if (body.length === parsed.bodyBytes && isIntact(head, body)) return true;
  }
  return false;
}
