import { crc32 } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';

/**
 * A record in a segment file, integers little-endian:
 *
 *     0  u32  magic
 *     4  u32  CRC-32 of everything from octet 8 on
 *     8  u32  length of the body
 *    12  u64  offset: the record's number in its topic
 *    20  u64  durable length of the file when the record was written
 *    28  body: u16 length + key, u16 number of headers, each u16 length + name and u16 length + text,
 *        then the value up to the end
 *
 * The durable length tells a torn tail from damage: a broken record before a length that a later
 * record names was durable once.
 */
export const frameHeadBytes = 28;
export const frameMagic = Buffer.from('CMR\x01', 'latin1');
const maxTextBytes = 0xffff;

export interface FrameHead {
  readonly crc: number;
  readonly bodyBytes: number;
  readonly offset: number;
  readonly durableBytes: number;
}

/** A record ready to be written; its offset is not known yet. The value is not copied. */
export interface PreparedRecord {
  readonly meta: Buffer;
  readonly value: Uint8Array;
  /** Octets in the file. */
  readonly frameBytes: number;
}

/** Throws INVALID_INPUT where the key or a header is over 65,535 octets. */
export function prepareRecord(record: EventRecord): PreparedRecord {
  const headers = Object.entries(record.headers);
  const texts = [record.key, ...headers.flat()].map((text) => Buffer.from(text, 'utf8'));
  const meta = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + 2 + text.length, 2));
  let at = 0;
  texts.forEach((text, i) => {
    if (text.length > maxTextBytes) {
      throw new CertmillError('INVALID_INPUT', 'the key or a header of a record is too long');
    }
    at = meta.writeUInt16LE(text.length, at);
    at += text.copy(meta, at);
    if (i === 0) at = meta.writeUInt16LE(headers.length, at);
  });
  const { value } = record;
  return { meta, value, frameBytes: frameHeadBytes + meta.length + value.length };
}

/** The parts of a frame, to be written back to back. */
export function frameParts(
  prepared: PreparedRecord,
  offset: number,
  durableBytes: number,
): Uint8Array[] {
  const { meta, value } = prepared;
  const head = Buffer.allocUnsafe(frameHeadBytes);
  frameMagic.copy(head);
  head.writeUInt32LE(meta.length + value.length, 8);
  head.writeBigUInt64LE(BigInt(offset), 12);
  head.writeBigUInt64LE(BigInt(durableBytes), 20);
  head.writeUInt32LE(crc32(value, crc32(meta, crc32(head.subarray(8)))), 4);
  return [head, meta, value];
}

/** Undefined where the octets are no head of a frame. */
export function parseFrameHead(head: Buffer): FrameHead | undefined {
  if (head.length < frameHeadBytes || !head.subarray(0, 4).equals(frameMagic)) return undefined;
  return {
    crc: head.readUInt32LE(4),
    bodyBytes: head.readUInt32LE(8),
    offset: Number(head.readBigUInt64LE(12)),
    durableBytes: Number(head.readBigUInt64LE(20)),
  };
}

/** Whether head and body are what was written. */
export function isIntact(head: Buffer, body: Uint8Array): boolean {
  return crc32(body, crc32(head.subarray(8, frameHeadBytes))) === head.readUInt32LE(4);
}

/** The record in an intact body; its value is a view into it. */
export function recordOfBody(body: Buffer): EventRecord {
  let at = 0;
  const text = (): string => {
    const length = body.readUInt16LE(at);
    const start = at + 2;
    at = start + length;
    return body.toString('utf8', start, at);
  };
  const key = text();
  const count = body.readUInt16LE(at);
  at += 2;
  const headers: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const name = text();
    headers[name] = text();
  }
  return { headers, key, value: body.subarray(at) };
}
