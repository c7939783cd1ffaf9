import type { InputItem, InputLimits } from './input-item.js';
import { PemSplitter, type SourceOfLine } from './pem-splitter.js';

/** PEM blocks one after the other; see PemSplitter for what is accepted. */
export async function* readPem(
  stream: AsyncIterable<Uint8Array>,
  limits: InputLimits,
  sourceOf: SourceOfLine,
): AsyncGenerator<readonly InputItem[]> {
  let items: InputItem[] = [];
  const splitter = new PemSplitter(limits, sourceOf, (item) => items.push(item));
  for await (const chunk of stream) {
    splitter.push(chunk);
    if (items.length > 0) yield items;
    items = [];
  }
  splitter.end();
  if (items.length > 0) yield items;
}
