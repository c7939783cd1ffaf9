import { pemLength, writePem } from '@certmill/der';
import { certificateLinesOf, rejectionLinesOf } from '@certmill/pipeline';
import type { ResultGroup } from './result-groups.js';

const label = 'CERTIFICATE';

/** One line per certificate; `chunk` is where `?firstChunk=` goes on. One Buffer per chunk. */
export async function* certificateLines(
  groups: AsyncIterable<ResultGroup>,
): AsyncGenerator<Uint8Array> {
  for await (const { chunkNumber, results } of groups) {
    const lines = certificateLinesOf(results, chunkNumber);
    if (lines.length > 0) yield lines;
  }
}

export async function* rejectionLines(
  groups: AsyncIterable<ResultGroup>,
): AsyncGenerator<Uint8Array> {
  for await (const { chunkNumber, results } of groups) {
    const lines = rejectionLinesOf(results, chunkNumber);
    if (lines.length > 0) yield lines;
  }
}

export async function* certificatePems(
  groups: AsyncIterable<ResultGroup>,
): AsyncGenerator<Uint8Array> {
  for await (const { certificates } of groups) {
    const sizes = certificates.map((der) => pemLength(label, der.length));
    const pem = Buffer.allocUnsafeSlow(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const der of certificates) at = writePem(label, der, pem, at);
    if (at > 0) yield pem;
  }
}
