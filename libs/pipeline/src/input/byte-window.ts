/**
 * The octets of a stream that are not consumed yet, in one piece. What it holds is bounded by its
 * user, who consumes or gives up; appending to a window costs one copy of the new octets.
 */
export class ByteWindow {
  /** Valid octets are `bytes[start, end)`; append may replace the buffer and move them. */
  bytes = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Octets consumed since the beginning of the stream. */
  consumed = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(chunk: Uint8Array): void {
    if (this.end + chunk.length > this.bytes.length) this.#makeRoom(chunk.length);
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  consume(count: number): void {
    this.start += count;
    this.consumed += count;
  }

  #makeRoom(count: number): void {
    const needed = this.length + count;
    const target =
      needed > this.bytes.length / 2 ? Buffer.alloc(Math.max(needed * 2, 4096)) : this.bytes;
    this.bytes.copy(target, 0, this.start, this.end);
    this.bytes = target;
    this.end -= this.start;
    this.start = 0;
  }
}
