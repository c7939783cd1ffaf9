import { closeSync, openSync, readSync } from 'node:fs';
import { CertmillError } from '@certmill/domain';

const hashOctets = 32;
const bucketCount = 0x1_0000;
const readBytes = 1 << 20;

/** The data of a blocklist: may be posted to other threads, which then share its memory. */
export interface BlocklistTable {
  /** SHA-256 hashes back to back, grouped by their first two octets. */
  readonly hashes: Uint8Array;
  /** 65,537 entries: where each group begins, counted in hashes. */
  readonly bucketStarts: Uint32Array;
}

/**
 * Public keys that must never get a certificate, as SHA-256 of their DER SubjectPublicKeyInfo (the
 * UDID): Debian's weak OpenSSL keys, leaked keys, keys of example firmware. 36 MB for a million
 * entries in one SharedArrayBuffer. A look-up scans one of 65,536 groups: well below a microsecond.
 */
export class Blocklist {
  readonly table: BlocklistTable;

  constructor(table: BlocklistTable) {
    this.table = table;
  }

  get size(): number {
    return this.table.hashes.length / hashOctets;
  }

  /** @param udid 32 octets from `offset` on. */
  has(udid: Uint8Array, offset = 0): boolean {
    const { hashes, bucketStarts } = this.table;
    const bucket = ((udid[offset] ?? 0) << 8) | (udid[offset + 1] ?? 0);
    const end = (bucketStarts[bucket + 1] ?? 0) * hashOctets;
    for (let at = (bucketStarts[bucket] ?? 0) * hashOctets; at < end; at += hashOctets) {
      let index = 2;
      while (index < hashOctets && hashes[at + index] === udid[offset + index]) index += 1;
      if (index === hashOctets) return true;
    }
    return false;
  }
}

/**
 * Reads a blocklist file: one SHA-256 of a SubjectPublicKeyInfo in hex per line, in any order; empty
 * lines and what follows a `#` are ignored. Synchronous: it is read once, before any work.
 * Faults: CONFIG_INVALID with the line where a line is anything else or the file cannot be read.
 */
export function readBlocklist(file: string): Blocklist {
  const hashes: Buffer[] = [];
  try {
    const descriptor = openSync(file, 'r');
    try {
      const lines = new LineReader(file, hashes);
      const buffer = Buffer.alloc(readBytes);
      for (;;) {
        const length = readSync(descriptor, buffer, 0, readBytes, null);
        if (length === 0) break;
        lines.push(buffer.toString('latin1', 0, length));
      }
      lines.end();
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    if (cause instanceof CertmillError) throw cause;
    throw new CertmillError('CONFIG_INVALID', `the blocklist ${file} cannot be read`, { cause });
  }
  return new Blocklist(tableOf(hashes));
}

/** Collects the hashes of whole lines; the rest of a block waits for the next one. */
class LineReader {
  private rest = '';
  private line = 0;
  private readonly file: string;
  private readonly hashes: Buffer[];

  constructor(file: string, hashes: Buffer[]) {
    this.file = file;
    this.hashes = hashes;
  }

  push(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > readBytes) this.refuse();
    const block = Buffer.alloc(lines.length * hashOctets);
    let count = 0;
    for (const line of lines) {
      this.line += 1;
      if (this.write(line, block, count)) count += 1;
    }
    this.hashes.push(block.subarray(0, count * hashOctets));
  }

  end(): void {
    if (this.rest !== '') this.push('\n');
  }

  private write(line: string, block: Buffer, count: number): boolean {
    const comment = line.indexOf('#');
    const hex = (comment < 0 ? line : line.slice(0, comment)).trim();
    if (hex === '') return false;
    if (hex.length !== hashOctets * 2 || !/^[0-9a-fA-F]+$/.test(hex)) this.refuse();
    block.write(hex, count * hashOctets, 'hex');
    return true;
  }

  private refuse(): never {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${this.file}:${String(this.line + (this.rest.length > readBytes ? 1 : 0))}: ` +
        'expected a SHA-256 of a SubjectPublicKeyInfo as 64 hex digits',
    );
  }
}

/** Groups hashes by their first two octets: a counting sort. */
function tableOf(blocks: readonly Buffer[]): BlocklistTable {
  const total = blocks.reduce((sum, block) => sum + block.length, 0);
  const hashes = new Uint8Array(new SharedArrayBuffer(total));
  const bucketStarts = new Uint32Array(new SharedArrayBuffer((bucketCount + 1) * 4));
  const bucketAt = (block: Buffer, at: number): number => block.readUInt16BE(at);
  for (const block of blocks) {
    for (let at = 0; at < block.length; at += hashOctets) {
      const next = bucketAt(block, at) + 1;
      bucketStarts[next] = (bucketStarts[next] ?? 0) + 1;
    }
  }
  for (let bucket = 0; bucket < bucketCount; bucket += 1) {
    bucketStarts[bucket + 1] = (bucketStarts[bucket + 1] ?? 0) + (bucketStarts[bucket] ?? 0);
  }
  const nextFree = bucketStarts.slice();
  for (const block of blocks) {
    for (let at = 0; at < block.length; at += hashOctets) {
      const bucket = bucketAt(block, at);
      const place = nextFree[bucket] ?? 0;
      nextFree[bucket] = place + 1;
      hashes.set(block.subarray(at, at + hashOctets), place * hashOctets);
    }
  }
  return { hashes, bucketStarts };
}
