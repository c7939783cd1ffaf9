import {
  crlShardOf,
  serialNumberBefore,
  type BatchId,
  type CertificateStatus,
} from '@certmill/domain';
import type { CrlScope, RevocationStore, RevokedCertificate } from '@certmill/ports';

/** A certificate by its place and its serial number. */
export interface NumberedCertificate {
  readonly index: number;
  readonly serialNumber: Uint8Array;
}

const rowsPerPage = 256;

/**
 * Those of a batch's certificates that are revoked or held, by index, as the rows of their CRLs say: the
 * status that lies beside a certificate is not sealed, rows are (ADR 0035). Faults: the store's.
 */
export async function statusesInRows(
  revocations: Pick<RevocationStore, 'listRevoked'>,
  issuer: string,
  crlShards: number,
  batchId: BatchId,
  certificates: readonly NumberedCertificate[],
): Promise<ReadonlyMap<number, CertificateStatus>> {
  const byShard = Map.groupBy(certificates, ({ index }) => crlShardOf(batchId, index, crlShards));
  const statuses = new Map<number, CertificateStatus>();
  for (const [shard, own] of byShard) {
    const inOrder = own.toSorted((a, b) => Buffer.compare(a.serialNumber, b.serialNumber));
    await readInto(statuses, revocations, { issuer, shard }, inOrder);
  }
  return statuses;
}

/** Pages of rows, each from the first certificate on that the one before did not reach. */
async function readInto(
  statuses: Map<number, CertificateStatus>,
  revocations: Pick<RevocationStore, 'listRevoked'>,
  scope: CrlScope,
  inOrder: readonly NumberedCertificate[],
): Promise<void> {
  let page: readonly RevokedCertificate[] = [];
  let at = 0;
  let isLast = false;
  for (const { index, serialNumber } of inOrder) {
    const order = (row: RevokedCertificate | undefined): number =>
      row === undefined ? 1 : Buffer.compare(row.serialNumber, serialNumber);
    if (!isLast && (page.length === 0 || order(page.at(-1)) < 0)) {
      const after = serialNumberBefore(serialNumber);
      page = await revocations.listRevoked(scope, { limit: rowsPerPage, after });
      isLast = page.length < rowsPerPage;
      at = 0;
    }
    while (order(page[at]) < 0) at += 1;
    const row = page[at];
    if (row !== undefined && order(row) === 0) statuses.set(index, statusOf(row));
  }
}

function statusOf(row: RevokedCertificate): CertificateStatus {
  const { reason, revokedAtMs: atMs, invalidityDateMs } = row;
  if (reason === 'removeFromCRL') return { state: 'good' };
  return {
    state: 'revoked',
    reason,
    atMs,
    ...(invalidityDateMs === undefined ? {} : { invalidityDateMs }),
  };
}
