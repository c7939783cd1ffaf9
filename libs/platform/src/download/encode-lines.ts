import { pemEncode, pemLength, writePem } from '@certmill/der';
import { serialNumberOf } from '@certmill/pipeline';
import type { ResultGroup } from './result-groups.js';

const label = 'CERTIFICATE';

/** One line per certificate; `chunk` is where `?firstChunk=` goes on. One Buffer per chunk. */
export async function* certificateLines(
  groups: AsyncIterable<ResultGroup>,
): AsyncGenerator<Uint8Array> {
  for await (const { chunkNumber, results } of groups) {
    let lines = '';
    for (const { index, deviceId, certificateDer } of results) {
      if (certificateDer === undefined) continue;
      const line = {
        chunk: chunkNumber,
        index,
        deviceId,
        serialNumber: hexOf(serialNumberOf(certificateDer)),
        certificate: pemEncode(label, certificateDer),
      };
      lines += `${JSON.stringify(line)}\n`;
    }
    if (lines !== '') yield Buffer.from(lines);
  }
}

export async function* rejectionLines(
  groups: AsyncIterable<ResultGroup>,
): AsyncGenerator<Uint8Array> {
  for await (const { chunkNumber, results } of groups) {
    let lines = '';
    for (const { index, source, deviceId, rejection } of results) {
      if (rejection === undefined) continue;
      lines += `${JSON.stringify({ chunk: chunkNumber, index, source, deviceId, ...rejection })}\n`;
    }
    if (lines !== '') yield Buffer.from(lines);
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

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
