/** The first octets of a stream, and the whole stream again. */
export interface PeekedStream {
  /** At least `count` octets, fewer only where the stream ends before. */
  readonly firstBytes: Uint8Array;
  /** To be iterated once; ending early closes the source. */
  readonly stream: AsyncIterable<Uint8Array>;
}

/** Reads ahead until `count` octets are there, without losing them. */
export async function peekStream(
  source: AsyncIterable<Uint8Array>,
  count: number,
): Promise<PeekedStream> {
  const iterator = source[Symbol.asyncIterator]();
  const ahead: Uint8Array[] = [];
  let length = 0;
  let isDone = false;
  while (length < count && !isDone) {
    const next = await iterator.next();
    if (next.done === true) isDone = true;
    else {
      ahead.push(next.value);
      length += next.value.length;
    }
  }
  const firstBytes = ahead.length === 1 && ahead[0] !== undefined ? ahead[0] : Buffer.concat(ahead);
  return { firstBytes, stream: replay(firstBytes, iterator, isDone) };
}

async function* replay(
  firstBytes: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
  isDone: boolean,
): AsyncGenerator<Uint8Array> {
  let isOpen = !isDone;
  try {
    if (firstBytes.length > 0) yield firstBytes;
    while (isOpen) {
      const next = await iterator.next();
      if (next.done === true) isOpen = false;
      else yield next.value;
    }
  } finally {
    if (isOpen) await iterator.return?.();
  }
}
