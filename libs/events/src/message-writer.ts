const wireVarint = 0;
const wireLengthDelimited = 2;

/**
 * Writes one Protobuf message. Bytes fields are kept as references until `finish` copies them once
 * into a buffer of exactly the right size, for a chunk's DER is most of the chunk.
 * Zeros and empty fields are left out, as proto3 has it.
 */
export class MessageWriter {
  readonly #parts: Uint8Array[] = [];
  #scratch: number[] = [];
  #length = 0;

  number(field: number, value: number): this {
    if (value !== 0) {
      this.#varint(field * 8 + wireVarint);
      this.#varint(value);
    }
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    if (value.length > 0) this.message(field, value);
    return this;
  }

  text(field: number, value: string): this {
    return value === '' ? this : this.bytes(field, Buffer.from(value, 'utf8'));
  }

  /** An encoded message or bytes, written also where empty. */
  message(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + wireLengthDelimited);
    this.#varint(value.length);
    this.#flush();
    this.#push(value);
    return this;
  }

  /** A packed column; left out where every entry is 0. */
  numbers(field: number, column: readonly number[]): this {
    if (column.every((value) => value === 0)) return this;
    const packed = new MessageWriter();
    for (const value of column) packed.#varint(value);
    return this.message(field, packed.finish());
  }

  /** Texts back to back in UTF-8 in one field, their lengths in octets in another. */
  texts(bytesField: number, lengthsField: number, column: readonly string[]): this {
    const joined = column.join('');
    if (joined === '') return this;
    const octets = Buffer.from(joined, 'utf8');
    const lengths =
      octets.length === joined.length
        ? column.map((text) => text.length)
        : column.map((text) => Buffer.byteLength(text, 'utf8'));
    return this.bytes(bytesField, octets).numbers(lengthsField, lengths);
  }

  /** The message, in memory of its own. */
  finish(): Uint8Array {
    this.#flush();
    // Not Buffer.concat: small results would share Node's buffer pool, which cannot be transferred.
    const message = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      message.set(part, at);
      at += part.length;
    }
    return message;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#scratch.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#scratch.push(rest);
  }

  #flush(): void {
    if (this.#scratch.length === 0) return;
    const part = Uint8Array.from(this.#scratch);
    this.#scratch = [];
    this.#push(part);
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }
}
