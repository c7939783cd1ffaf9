import { certsOnlyEnvelope } from '@certmill/der';
import { changedMeanwhile } from './changed-meanwhile.js';
import type { ResultGroup } from './result-groups.js';

/**
 * Certificates and chain as one certs-only SignedData (RFC 5652 5.1). Its lengths stand at the
 * beginning, so the results are read twice. CONFLICT where they are others the second time.
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
  let left = bytes - chainDer.reduce((total, der) => total + der.length, 0);
  yield Buffer.concat([header, ...chainDer]);
  for await (const group of read(endChunk)) {
    const certificates = Buffer.concat(group.certificates);
    left -= certificates.length;
    if (left < 0) throw changedMeanwhile();
    if (certificates.length > 0) yield certificates;
  }
  if (left !== 0) throw changedMeanwhile();
  yield trailer;
}
