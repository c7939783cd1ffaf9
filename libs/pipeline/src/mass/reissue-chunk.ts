import {
  batchIdOf,
  CertmillError,
  hasExpired,
  type FrozenBatch,
  type MassCursor,
  type MassOperation,
  type MassWork,
  type Order,
} from '@certmill/domain';
import type { NewOrder } from '../ingest/open-order.js';
import { openOrder } from '../ingest/open-order.js';
import { extendBatch } from '../ingest/upload-batch.js';
import { readStatuses } from '../revoke/read-statuses.js';
import type { MassPorts } from './mass-ports.js';
import type { MassStep, StepOutcome } from './mass-step.js';
import type { MassChunk } from './read-chunk.js';
import type { StoredCertificate } from './stored-certificate.js';

/** New certificates for devices: `reissue` and `renew`. */
export type ReissueWork = Exclude<MassWork, { kind: 'revoke' }>;

/**
 * The order that a reissue uploads into, or that devices renew under: it takes the place of what they hold.
 * Whoever may renew is on its allow-list; the requests of a reissue are known.
 */
export function orderOfReissue(
  { tenant, operationId, quota }: Pick<MassOperation, 'tenant' | 'operationId' | 'quota'>,
  { kind, issuer, profileName, expiresAtMs }: ReissueWork,
): NewOrder {
  return {
    tenant,
    orderId: operationId,
    profileName,
    issuer,
    quota,
    requiresAllowList: kind === 'renew',
    renews: true,
    expiresAtMs,
  };
}

/**
 * What a step uploads and where: stored before it is done, so that it is the same when it is done again.
 * Certificates that are revoked, on hold or ended are passed over. After a restore the batch has another
 * id, and what had got into the one before stays there. Undefined where it stands as it is stored.
 * @param begun the cursor with the time of the step.
 */
export async function planReissue(
  ports: MassPorts,
  operation: MassOperation,
  batch: FrozenBatch,
  chunk: MassChunk,
  begun: MassCursor,
): Promise<MassCursor | undefined> {
  const { tenant, operationId, cursor } = operation;
  const epoch = await ports.ingest.batches.storeEpoch();
  const target = batchIdOf(epoch, tenant, operationId, uploadKeyOf(operation, batch));
  const isRestored = cursor.target !== undefined && cursor.target !== target;
  const targetIndex = isRestored ? 0 : cursor.targetIndex;
  const { upload } = cursor;
  if (upload !== undefined && isRestored) {
    const before = await ports.ingest.batches.getBatch(tenant, cursor.target ?? '');
    const uploaded = upload.uploaded + Math.max(0, (before?.nextIndex ?? 0) - cursor.targetIndex);
    return { ...begun, target, targetIndex, upload: { ...upload, uploaded } };
  }
  const hasBegun =
    upload !== undefined &&
    (upload.uploaded > 0 || (await isRegistered(ports, tenant, target, targetIndex)));
  if (hasBegun) return undefined;
  const { certificates } = chunk;
  const wanted = new Set(await reissuable(ports, certificates, ports.clock.nowMs()));
  const passedOver = certificates.filter((one) => !wanted.has(one)).map(({ index }) => index);
  return { ...begun, target, targetIndex, upload: { passedOver, uploaded: 0 } };
}

async function isRegistered(
  { ingest: { batches } }: MassPorts,
  tenant: string,
  batchId: string,
  index: number,
): Promise<boolean> {
  return (await batches.findChunk(tenant, batchId, index)) !== undefined;
}

function uploadKeyOf({ operationId }: MassOperation, { batchId }: FrozenBatch): string {
  return `${operationId}/${batchId}`;
}

/** Uploads the stored requests of a chunk's certificates once more, into the batch that stands for theirs. */
export async function reissueChunk(
  ports: MassPorts,
  { operation, batch, chunk, signal }: MassStep,
  work: ReissueWork,
): Promise<StepOutcome> {
  const { targetIndex, upload } = operation.cursor;
  const passedOver = new Set(upload?.passedOver);
  const submitted = chunk.certificates.filter(({ index }) => !passedOver.has(index));
  const counts = { submitted: submitted.length, skipped: passedOver.size };
  const wanted = submitted.slice(upload?.uploaded ?? 0);
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
      idempotencyKey: uploadKeyOf(operation, batch),
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
  ports: Pick<MassPorts, 'certificates'>,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<readonly StoredCertificate[]> {
  const statuses = await readStatuses(ports, certificates);
  return certificates.filter(
    ({ notAfterMs }, i) => statuses[i]?.state === 'good' && !hasExpired(notAfterMs, nowMs),
  );
}

export async function theOrder(
  ports: Pick<MassPorts, 'orders' | 'opening'>,
  operation: MassOperation,
  work: ReissueWork,
): Promise<Order> {
  const stored = await ports.orders.getOrder(operation.tenant, operation.operationId);
  return stored ?? openOrder(ports.opening, orderOfReissue(operation, work));
}
