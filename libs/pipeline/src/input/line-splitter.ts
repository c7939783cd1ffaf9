const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export interface LineConsumer {
  /**
   * One line without its LF or CRLF, in `bytes[start, end)`; the octets live for this call only.
   */
  line(bytes: Buffer, start: number, end: number, lineNumber: number): void;
  /** A line over the limit: its octets were dropped as they came. */
  tooLong(lineNumber: number): void;
}

/**
 * Cuts a stream of octets into lines. It holds at most one line of `maxLineBytes`; what runs over
 * is skipped up to the next LF.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #consumer: LineConsumer;
  #carry = Buffer.alloc(0);
  #carried = 0;
  #isSkipping = false;
  #lineNumber = 1;

  constructor(maxLineBytes: number, consumer: LineConsumer) {
    this.#maxLineBytes = maxLineBytes;
    this.#consumer = consumer;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(lineFeed, start);
      if (end === -1) break;
      this.#endLine(bytes, start, end);
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes, start, bytes.length);
  }

  /** The last line, where it has no LF. */
  end(): void {
    if (this.#isSkipping || this.#carried > 0) this.#endLine(this.#carry, 0, 0);
  }

  #endLine(bytes: Buffer, start: number, end: number): void {
    if (this.#carried > 0 || this.#isSkipping) {
      this.#keep(bytes, start, end);
      if (this.#isSkipping) this.#consumer.tooLong(this.#lineNumber);
      else this.#emit(this.#carry, 0, this.#carried);
      this.#carried = 0;
      this.#isSkipping = false;
    } else if (end - start > this.#maxLineBytes) this.#consumer.tooLong(this.#lineNumber);
    else this.#emit(bytes, start, end);
    this.#lineNumber++;
  }

  #emit(bytes: Buffer, start: number, end: number): void {
    const hasReturn = end > start && bytes[end - 1] === carriageReturn;
    this.#consumer.line(bytes, start, hasReturn ? end - 1 : end, this.#lineNumber);
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start;
    if (this.#isSkipping || needed > this.#maxLineBytes) {
      this.#isSkipping = true;
      this.#carried = 0;
      return;
    }
    if (needed > this.#carry.length) {
      const larger = Buffer.alloc(Math.min(this.#maxLineBytes, Math.max(needed * 2, 4096)));
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    bytes.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }
}
