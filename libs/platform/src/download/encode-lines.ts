import { pemEncode } from '@certmill/der';
import { certificateLinesOf, rejectionLinesOf } from '@certmill/pipeline';
import type { ResultGroup } from './result-groups.js';

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
  for await (const { results } of groups) {
    let pem = '';
    for (const { certificateDer } of results) {
      if (certificateDer !== undefined) pem += pemEncode('CERTIFICATE', certificateDer);
    }
    if (pem !== '') yield Buffer.from(pem);
  }
}
