import { isAscii, isUtf8 } from 'node:buffer';
import { CertmillError } from '@certmill/domain';

/** Wire types of the Protobuf encoding; groups (3, 4) are refused. */
const wireVarint = 0;
const wire64Bit = 1;
const wireLengthDelimited = 2;
const wire32Bit = 5;

/** The fault of bytes that are not what they should be. */
export function undecodable(message: string): CertmillError {
  return new CertmillError('FAULT_EVENT_UNDECODABLE', message);
}

/**
 * Reads one Protobuf message field by field, without reflection and without copies: the generated
 * schema's reader takes several times as long for the columns of a chunk. Its results are compared
 * with the generated schema's in chunks.spec.ts.
 *
 * Use: `while ((field = reader.next()) !== 0)`, then one call that reads the field, or `skip`.
 * Throws FAULT_EVENT_UNDECODABLE on anything that is cut off, too large or of the wrong wire type.
 */
export class MessageReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #position = 0;
  #wireType = 0;

  /** @param what names the message in errors, e.g. `Verdict`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  /** The next field's number, 0 at the end. */
  next(): number {
    if (this.#position >= this.#bytes.length) return 0;
    const tag = this.#varint();
    const field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    if (field === 0 || tag > 0xffff_ffff) throw this.#malformed('a field number is out of range');
    return field;
  }

  uint32(): number {
    this.#expect(wireVarint);
    const value = this.#varint();
    if (value > 0xffff_ffff) throw this.#malformed('a number is over 32 bits');
    return value;
  }

  /** An unsigned number of at most 53 bits. */
  integer(): number {
    this.#expect(wireVarint);
    return this.#varint();
  }

  /** A view, which lives as long as the message's bytes do. */
  bytes(): Buffer {
    this.#expect(wireLengthDelimited);
    const end = this.#endOfLengthDelimited();
    const view = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return view;
  }

  text(): string {
    return textOf(this.bytes(), this.#what);
  }

  /** Appends the field's numbers to a column; at most `max` entries in all. */
  numbers(column: number[], max: number): void {
    if (this.#wireType === wireVarint) {
      // Writers may leave a repeated number unpacked, and readers must take both.
      column.push(this.uint32());
    } else {
      this.#expect(wireLengthDelimited);
      const end = this.#endOfLengthDelimited();
      const bytes = this.#bytes;
      while (this.#position < end && column.length <= max) {
        const first = bytes[this.#position] ?? 0;
        if (first < 0x80) {
          this.#position++;
          column.push(first);
        } else {
          column.push(this.#varint());
        }
      }
      if (column.length <= max && this.#position !== end) {
        throw this.#malformed('a column ends within a number');
      }
    }
    if (column.length > max) throw this.#malformed(`a column has more than ${String(max)} entries`);
  }

  /** Passes over a field that this release does not know. */
  skip(): void {
    if (this.#wireType === wireVarint) this.#skipVarint();
    else if (this.#wireType === wireLengthDelimited) this.#position = this.#endOfLengthDelimited();
    else if (this.#wireType === wire64Bit) this.#advance(8);
    else if (this.#wireType === wire32Bit) this.#advance(4);
    else throw this.#malformed('a wire type is unknown');
  }

  #malformed(what: string): CertmillError {
    return undecodable(`${this.#what}: ${what} (octet ${String(this.#position)})`);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw this.#malformed('a field has another wire type');
  }

  #advance(count: number): void {
    if (count > this.#bytes.length - this.#position) throw this.#malformed('a field is cut off');
    this.#position += count;
  }

  #endOfLengthDelimited(): number {
    const length = this.#varint();
    if (length > this.#bytes.length - this.#position) throw this.#malformed('a field is cut off');
    return this.#position + length;
  }

  #skipVarint(): void {
    // A varint has at most 10 octets; one of a later release may use all 64 bits.
    for (let i = 0; i < 10; i++) {
      const octet = this.#bytes[this.#position];
      this.#advance(1);
      if (octet !== undefined && octet < 0x80) return;
    }
    throw this.#malformed('a number has more than 10 octets');
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const octet = this.#bytes[this.#position];
      if (octet === undefined) throw this.#malformed('a number is cut off');
      this.#position++;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) break;
      scale *= 128;
      // 8 octets are 56 bits: what does not fit 53 bits is caught below, before it loses precision.
      if (scale > 2 ** 49) throw this.#malformed('a number is over 53 bits');
    }
    if (value > Number.MAX_SAFE_INTEGER) throw this.#malformed('a number is over 53 bits');
    return value;
  }
}

/** UTF-8, strictly: what does not decode is refused rather than replaced. */
export function textOf(bytes: Buffer, what: string): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw undecodable(`${what}: a text is not UTF-8`);
  return bytes.toString('utf8');
}
