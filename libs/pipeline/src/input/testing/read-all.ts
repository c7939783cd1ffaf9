import { isCertmillError } from '@certmill/domain';
import type { InputItem } from '../input-item.js';
import { readInput, type ReadInputOptions } from '../read-input.js';

/** A stream of `bytes` in pieces of the sizes of `cuts`, taken in turn. */
export async function* streamOf(
  bytes: Uint8Array,
  cuts: readonly number[] = [64 * 1024],
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (cuts[i % cuts.length] ?? 1);
    // A copy, as sockets give: the reader sees nothing behind its piece.
    yield await Promise.resolve(Uint8Array.prototype.slice.call(bytes, at, end));
    at = end;
  }
}

/** An item as a line of text, to compare and to print: `place device code-or-size detail`. */
export function shown(item: InputItem): string {
  const { code, detail } = item.rejection ?? { code: Buffer.from(item.der).toString('hex') };
  return [item.source, item.deviceId, code, detail].join('|');
}

/** All items, then the fault that ended the stream, if one did. */
export async function readAll(
  bytes: Uint8Array | string,
  options: ReadInputOptions = {},
  cuts?: readonly number[],
): Promise<{ readonly items: readonly InputItem[]; readonly fault?: string }> {
  const items: InputItem[] = [];
  try {
    for await (const batch of readInput(streamOf(Buffer.from(bytes), cuts), options)) {
      items.push(...batch);
    }
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return { items, fault: `${error.code}: ${error.message}` };
  }
  return { items };
}
