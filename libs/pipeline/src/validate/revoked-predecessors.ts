import { isOnHold, rejectionNumber, type TenantId } from '@certmill/domain';
import type { Verdict } from '@certmill/events';
import type { CertificatePlace, CertificateStore } from '@certmill/ports';

const revoked = rejectionNumber('CERTIFICATE_REVOKED');

/** Rejects what is to stand for a certificate that was revoked, or put on hold, since the reissue was planned. */
export async function rejectRevoked(
  stores: Pick<CertificateStore, 'listStatuses'>,
  tenant: TenantId,
  predecessors: readonly CertificatePlace[],
  draft: Verdict,
): Promise<Verdict> {
  const codes = [...draft.codes];
  const details = [...draft.details];
  for (const [batchId, requests] of byBatch(predecessors)) {
    const indexes = requests.map(({ index }) => index);
    const firstIndex = Math.min(...indexes);
    const count = Math.max(...indexes) - firstIndex + 1;
    const statuses = await stores.listStatuses(tenant, batchId, firstIndex, count);
    for (const { position, index } of requests) {
      const status = statuses.get(index);
      if (codes[position] !== 0 || status?.state !== 'revoked') continue;
      codes[position] = revoked;
      details[position] = isOnHold(status)
        ? 'the certificate that this one is to stand for is on hold'
        : `the certificate that this one is to stand for was revoked (${status.reason})`;
    }
  }
  return { ...draft, codes, details };
}

function byBatch(predecessors: readonly CertificatePlace[]) {
  const requests = predecessors.map((place, position) => ({ ...place, position }));
  return Map.groupBy(requests, ({ batchId }) => batchId);
}
