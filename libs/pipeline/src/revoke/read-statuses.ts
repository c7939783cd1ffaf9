import type { CertificateStatus, ChunkRef } from '@certmill/domain';
import type { CertificateStore } from '@certmill/ports';

/** The statuses of certificates, aligned; those of one chunk are read together. */
export async function readStatuses(
  { certificates: store }: { readonly certificates: Pick<CertificateStore, 'listStatuses'> },
  certificates: readonly (ChunkRef & { readonly index: number })[],
): Promise<readonly CertificateStatus[]> {
  const chunks = Map.groupBy(certificates, keyOf);
  const read = [...chunks].map(async ([key, [first, ...others]]) => {
    if (first === undefined) throw new TypeError('a group is never empty');
    const indexes = [first, ...others].map(({ index }) => index);
    const firstIndex = Math.min(...indexes);
    const count = Math.max(...indexes) - firstIndex + 1;
    const { tenant, batchId } = first;
    return [key, await store.listStatuses(tenant, batchId, firstIndex, count)] as const;
  });
  const statuses = new Map(await Promise.all(read));
  return certificates.map((each) => {
    return statuses.get(keyOf(each))?.get(each.index) ?? { state: 'good' };
  });
}

function keyOf({ tenant, batchId, chunkNumber }: ChunkRef): string {
  return `${tenant}/${batchId}/${String(chunkNumber)}`;
}
