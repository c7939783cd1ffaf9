import { ByteWindow } from './byte-window.js';
import type { InputItem, InputLimits } from './input-item.js';
import { judgeRequest, tooLarge } from './judge-request.js';

const sequence = 0x30;
/** Tag, one octet of length, and up to four octets of long-form length. */
const maxHeaderBytes = 6;

/** Names the place of a request by its offset in the stream. */
export type SourceOfOffset = (offset: number) => string;

/**
 * One DER request or several, back to back. A request over the limit is passed over, not held. What
 * does not begin as a definite-length SEQUENCE hides where the next one begins: it is one
 * rejection, and the last one.
 */
export async function* readDer(
  stream: AsyncIterable<Uint8Array>,
  limits: InputLimits,
  sourceOf: SourceOfOffset,
): AsyncGenerator<readonly InputItem[]> {
  const window = new ByteWindow();
  let toSkip = 0;
  let isLost = false;
  for await (const chunk of stream) {
    const rest = chunk.subarray(Math.min(toSkip, chunk.length));
    const skipped = chunk.length - rest.length;
    toSkip -= skipped;
    window.consumed += skipped;
    // What is lost is only read on to learn whether the stream itself is sound.
    if (isLost && window.length >= limits.maxCsrBytes) continue;
    window.append(rest);
    const items: InputItem[] = [];
    while (!isLost && window.length > 0) {
      const length = elementBytes(window);
      if (length === 'incomplete') break;
      if (length === 'unknown') isLost = true;
      else if (length > limits.maxCsrBytes) {
        items.push(tooLarge(sourceOf(window.consumed), '', 'the request', limits.maxCsrBytes));
        toSkip = Math.max(0, length - window.length);
        window.consume(length - toSkip);
      } else if (window.length < length) break;
      else items.push(take(window, length, sourceOf, limits));
    }
    if (items.length > 0) yield items;
  }
  if (window.length > 0) yield [take(window, window.length, sourceOf, limits)];
}

/** A copy: the window moves on. */
function take(
  window: ByteWindow,
  length: number,
  sourceOf: SourceOfOffset,
  limits: InputLimits,
): InputItem {
  const source = sourceOf(window.consumed);
  const held = Math.min(length, limits.maxCsrBytes);
  const der = Buffer.from(window.bytes.subarray(window.start, window.start + held));
  window.consume(length);
  return judgeRequest(der, '', source, limits);
}

/** Octets of the element that begins at the window's start, header included. */
function elementBytes(window: ByteWindow): number | 'incomplete' | 'unknown' {
  const { bytes, start, length } = window;
  if (bytes[start] !== sequence) return 'unknown';
  if (length < 2) return 'incomplete';
  const first = bytes[start + 1] as number;
  if (first < 0x80) return 2 + first;
  const octets = first - 0x80;
  if (octets === 0 || octets > maxHeaderBytes - 2) return 'unknown';
  if (length < 2 + octets) return 'incomplete';
  return 2 + octets + bytes.readUIntBE(start + 2, octets);
}
