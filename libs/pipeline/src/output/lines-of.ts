const lineFeed = 0x0a;

/**
 * Whole lines with their line feeds, in groups as the octets come; what follows the last line feed is
 * dropped: it is the rest of something that broke.
 */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer[]> {
  let pending: Buffer[] = [];
  for await (const part of stream) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
      const tail = bytes.subarray(start, end + 1);
      lines.push(pending.length === 0 ? tail : Buffer.concat([...pending, tail]));
      pending = [];
      start = end + 1;
    }
    if (start < bytes.length) pending.push(bytes.subarray(start));
    if (lines.length > 0) yield lines;
  }
}
