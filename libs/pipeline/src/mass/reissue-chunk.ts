import { CertmillError, type MassOperation, type MassWork, type Order } from '@certmill/domain';
import type { NewOrder } from '../ingest/open-order.js';
import { openOrder } from '../ingest/open-order.js';
import { extendBatch } from '../ingest/upload-batch.js';
import type { MassPorts } from './mass-ports.js';
import type { MassStep, StepOutcome } from './mass-step.js';
import type { StoredCertificate } from './read-chunk.js';

export type ReissueWork = Extract<MassWork, { kind: 'reissue' }>;

/** The order that a reissue uploads into: it renews what the devices hold. */
export function orderOfReissue(
  { tenant, operationId, quota }: Pick<MassOperation, 'tenant' | 'operationId' | 'quota'>,
  { issuer, profileName, expiresAtMs }: ReissueWork,
): NewOrder {
  return {
    tenant,
    orderId: operationId,
    profileName,
    issuer,
    quota,
    requiresAllowList: false,
    renews: true,
    expiresAtMs,
  };
}

/**
 * Uploads the stored requests of a chunk's certificates once more, into the batch that stands for theirs.
 * Those that are revoked, on hold or ended are passed over.
 */
export async function reissueChunk(
  ports: MassPorts,
  { operation, batch, chunk, begunAtMs, signal }: MassStep,
  work: ReissueWork,
): Promise<StepOutcome> {
  const { targetIndex } = operation.cursor;
  const wanted = await reissuable(ports, chunk.certificates, begunAtMs);
  const counts = {
    submitted: wanted.length,
    skipped: chunk.certificates.length - wanted.length,
  };
  if (wanted.length === 0 && !(chunk.isLast && targetIndex > 0)) return { counts, targetIndex };
  const order = await theOrder(ports, operation, work);
  const profile = await ports.profiles.get(order.tenant, order.profileHash);
  if (profile === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'the profile of the order is not stored');
  }
  const next = await extendBatch(
    ports.ingest,
    {
      order,
      profile,
      lane: 'bulk',
      idempotencyKey: `${operation.operationId}/${batch.batchId}`,
      firstIndex: targetIndex,
      signal,
    },
    wanted.map(({ requestDer: der, deviceId, index }) => {
      return { der, deviceId, source: `${batch.batchId} ${String(index)}` };
    }),
    chunk.isLast,
  );
  return { counts, targetIndex: next };
}

/** Those whose devices shall have another one. */
export async function reissuable(
  { certificates: store }: Pick<MassPorts, 'certificates'>,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<readonly StoredCertificate[]> {
  const statuses = await Promise.all(
    certificates.map(({ tenant, batchId, index }) => store.getStatus(tenant, batchId, index)),
  );
  return certificates.filter(
    ({ notAfterMs }, i) => statuses[i]?.state === 'good' && notAfterMs > nowMs,
  );
}

async function theOrder(
  ports: MassPorts,
  operation: MassOperation,
  work: ReissueWork,
): Promise<Order> {
  const stored = await ports.orders.getOrder(operation.tenant, operation.operationId);
  return stored ?? openOrder(ports.opening, orderOfReissue(operation, work));
}
