import { CertmillDerError } from '../encoding/der-error.js';

/** One element of revokedCertificates (RFC 5280 5.1), in whole seconds since 1970. */
export interface RevokedEntry {
  /** Big-endian, positive, at most 20 octets (RFC 5280 4.1.2.2). */
  readonly serialNumber: Uint8Array;
  readonly revocationSeconds: number;
  /** CRLReason (RFC 5280 5.3.1). 0, unspecified, is not written. */
  readonly reason: number;
  /** RFC 5280 5.3.2. */
  readonly invaliditySeconds?: number;
}

// A record: octets of the serial number, the serial number, reason, two times of 48 bits; the
// second is one more than the seconds, and 0 where there is none.
const maxSerialOctets = 20;
const serialAt = 1;
const reasonAt = serialAt + maxSerialOctets;
const revocationAt = reasonAt + 1;
const invalidityAt = revocationAt + 6;
const recordOctets = invalidityAt + 6;
const firstRecords = 1_024;
const maxReason = 10;
const unusedReason = 7;

/**
 * Entries of a CRL in one run of bytes, 34 octets each: a million of them are no objects. Grows by
 * doubling; `bytes` can go to another thread and be read there.
 */
export class RevokedEntries {
  static readonly octetsPerEntry = recordOctets;

  private buffer: Buffer;
  private count: number;

  private constructor(buffer: Buffer, count: number) {
    this.buffer = buffer;
    this.count = count;
  }

  static empty(): RevokedEntries {
    return new RevokedEntries(Buffer.alloc(0), 0);
  }

  /** What `bytes` of another one gave; throws where it is none. The bytes are not copied. */
  static of(bytes: Uint8Array): RevokedEntries {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (buffer.length % recordOctets !== 0) throw notEntries();
    const entries = new RevokedEntries(buffer, buffer.length / recordOctets);
    for (let index = 0; index < entries.count; index += 1) entries.check(index);
    return entries;
  }

  get length(): number {
    return this.count;
  }

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.count * recordOctets);
  }

  /** Throws `argument-invalid` for what cannot stand in a CRL. */
  add(entry: RevokedEntry): void {
    const { serialNumber } = entry;
    if (serialNumber.length === 0 || serialNumber.length > maxSerialOctets) throw notEntries();
    this.makeRoom();
    const { buffer } = this;
    const start = this.count * recordOctets;
    buffer[start] = serialNumber.length;
    buffer.set(serialNumber, start + serialAt);
    buffer[start + reasonAt] = entry.reason;
    writeSeconds(buffer, start + revocationAt, entry.revocationSeconds);
    const invalidity = entry.invaliditySeconds;
    writeSeconds(buffer, start + invalidityAt, invalidity === undefined ? 0 : invalidity + 1);
    this.check(this.count);
    this.count += 1;
  }

  /** Octets of the serial number at `index`; they stand in `bytes` from `serialStart` on. */
  serialOctets(index: number): number {
    return this.buffer[index * recordOctets] as number;
  }

  serialStart(index: number): number {
    return index * recordOctets + serialAt;
  }

  reason(index: number): number {
    return this.buffer[index * recordOctets + reasonAt] as number;
  }

  revocationSeconds(index: number): number {
    return this.buffer.readUIntBE(index * recordOctets + revocationAt, 6);
  }

  /** -1: none. */
  invaliditySeconds(index: number): number {
    return this.buffer.readUIntBE(index * recordOctets + invalidityAt, 6) - 1;
  }

  /** Whether each serial number is longer or larger than the one before: then none is there twice. */
  isAscending(): boolean {
    for (let index = 1; index < this.count; index += 1) {
      const previous = (index - 1) * recordOctets;
      const start = index * recordOctets;
      const order = this.buffer.compare(
        this.buffer,
        previous,
        previous + reasonAt,
        start,
        start + reasonAt,
      );
      if (order <= 0) return false;
    }
    return true;
  }

  private check(index: number): void {
    const octets = this.serialOctets(index);
    const start = this.serialStart(index);
    const reason = this.reason(index);
    const isSerial =
      octets >= 1 &&
      octets <= maxSerialOctets &&
      // A twentieth octet with its first bit set would need a twenty-first.
      !(octets === maxSerialOctets && (this.buffer[start] as number) >= 0x80) &&
      !this.buffer.subarray(start, start + octets).every((octet) => octet === 0);
    if (!isSerial || reason > maxReason || reason === unusedReason) throw notEntries();
  }

  private makeRoom(): void {
    const needed = (this.count + 1) * recordOctets;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.alloc(Math.max(firstRecords * recordOctets, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.count * recordOctets));
    this.buffer = grown;
  }
}

function writeSeconds(buffer: Buffer, position: number, seconds: number): void {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds >= 2 ** 48) throw notEntries();
  buffer.writeUIntBE(seconds, position, 6);
}

function notEntries(): CertmillDerError {
  return new CertmillDerError('argument-invalid', 'this is no entry of a CRL (RFC 5280 5.1.2.6)');
}
