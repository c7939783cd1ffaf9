import type { InputItem, InputLimits } from './input-item.js';
import { PemSplitter, type SourceOfLine } from './pem-splitter.js';
import { splitStream } from './split-stream.js';

/** PEM blocks one after the other; see PemSplitter for what is accepted. */
export function readPem(
  stream: AsyncIterable<Uint8Array>,
  limits: InputLimits,
  sourceOf: SourceOfLine,
): AsyncGenerator<readonly InputItem[]> {
  return splitStream(stream, (add) => new PemSplitter(limits, sourceOf, add));
}
