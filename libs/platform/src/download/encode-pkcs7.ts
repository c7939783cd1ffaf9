import { certsOnlyEnvelope } from '@certmill/der';
import type { ResultGroup } from './result-groups.js';

/**
 * Certificates and chain as one certs-only SignedData (RFC 5652 5.1). Its lengths stand at the
 * beginning, so the results are read twice.
 */
export async function* certificatePkcs7(
  read: (endChunk?: number) => AsyncIterable<ResultGroup>,
  chainDer: readonly Uint8Array[],
): AsyncGenerator<Uint8Array> {
  let endChunk = 0;
  let bytes = chainDer.reduce((total, der) => total + der.length, 0);
  for await (const group of read()) {
    endChunk = group.chunkNumber + 1;
    for (const der of group.certificates) bytes += der.length;
  }
  const { header, trailer } = certsOnlyEnvelope(bytes);
  yield Buffer.concat([header, ...chainDer]);
  for await (const group of read(endChunk)) {
    const certificates = Buffer.concat(group.certificates);
    if (certificates.length > 0) yield certificates;
  }
  yield trailer;
}
