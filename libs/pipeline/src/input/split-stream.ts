/** Finds items in octets that come in pieces of any size. */
export interface StreamSplitter {
  push(chunk: Uint8Array): void;
  /** No octets will come any more. */
  end(): void;
}

/** What a splitter adds, in groups as the octets come: it holds no more than one piece gives. */
export async function* splitStream<Item>(
  stream: AsyncIterable<Uint8Array>,
  open: (add: (item: Item) => void) => StreamSplitter,
): AsyncGenerator<readonly Item[]> {
  let items: Item[] = [];
  const splitter = open((item) => items.push(item));
  for await (const chunk of stream) {
    splitter.push(chunk);
    if (items.length > 0) yield items;
    items = [];
  }
  splitter.end();
  if (items.length > 0) yield items;
}
