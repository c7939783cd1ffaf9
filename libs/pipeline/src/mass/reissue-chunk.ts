import {
  batchIdOf,
  CertmillError,
  runsOf,
  type FrozenBatch,
  type MassCursor,
  type MassOperation,
  type OutcomeRun,
  type UploadedPart,
} from '@certmill/domain';
import { extendBatch } from '../ingest/upload-batch.js';
import { isOrderOfReissue } from './authorized-devices.js';
import type { MassPorts } from './mass-ports.js';
import type { MassStep, StepDone } from './mass-step.js';
import { theOrder } from './operation-order.js';
import type { MassChunk } from './read-chunk.js';
import { renewalOutcomes, type ReissueWork } from './renewal-outcomes.js';

/**
 * What a step uploads and where: stored before it is done, so that it is the same when it is done again.
 * After a restore the batch has another id, and what had got into the one before stays there. Undefined
 * where it stands as it is stored.
 * @param begun the cursor with the time of the step.
 */
export async function planReissue(
  ports: MassPorts,
  operation: MassOperation,
  work: ReissueWork,
  batch: FrozenBatch,
  chunk: MassChunk,
  begun: MassCursor,
): Promise<MassCursor | undefined> {
  const { tenant, operationId, cursor } = operation;
  const epoch = await ports.ingest.batches.storeEpoch();
  const target = batchIdOf(epoch, tenant, operationId, uploadKeyOf(operation, batch, begun));
  const isRestored = cursor.target !== undefined && cursor.target !== target;
  const targetIndex = isRestored ? 0 : cursor.targetIndex;
  const { upload } = cursor;
  if (upload !== undefined && isRestored) {
    const batchId = cursor.target ?? '';
    const index = cursor.targetIndex;
    const end = (await ports.ingest.batches.getBatch(tenant, batchId))?.nextIndex ?? 0;
    const part = end > index ? [{ batchId, index, count: end - index }] : [];
    const before = [...upload.before, ...part];
    return { ...begun, target, targetIndex, upload: { ...upload, before } };
  }
  const hasBegun =
    upload !== undefined &&
    (upload.before.length > 0 || (await isRegistered(ports, tenant, target, targetIndex)));
  if (hasBegun) return undefined;
  const { certificates } = chunk;
  const nowMs = ports.clock.nowMs();
  const runs = runsOf(await renewalOutcomes(ports, work, batch, certificates, nowMs));
  const pending = chunk.pending > 0 ? ({ isPending: true } as const) : {};
  return { ...begun, ...pending, target, targetIndex, upload: { runs, before: [] } };
}

async function isRegistered(
  { ingest: { batches } }: MassPorts,
  tenant: string,
  batchId: string,
  index: number,
): Promise<boolean> {
  return (await batches.findChunk(tenant, batchId, index)) !== undefined;
}

/** What was on its way is uploaded by itself: the batch that stands for its own is whole by then. */
function uploadKeyOf(
  { operationId }: MassOperation,
  { batchId }: FrozenBatch,
  { late }: MassCursor,
): string {
  const part = late === undefined ? '' : `/${String(late.chunkNumber)}`;
  return `${operationId}/${batchId}${part}`;
}

/** Uploads the stored requests of a chunk's certificates once more, into the batch that stands for theirs. */
export async function reissueChunk(
  ports: MassPorts,
  { operation, batch, chunk, signal }: MassStep,
  work: ReissueWork,
): Promise<StepDone> {
  const { targetIndex, target = '', upload, late } = operation.cursor;
  const runs = upload?.runs ?? [];
  const before = upload?.before ?? [];
  const submitted = submittedIndexes(runs);
  const wanted = chunk.certificates
    .filter(({ index }) => submitted.has(index))
    .slice(before.reduce((sum, { count }) => sum + count, 0));
  const isLast = late !== undefined || chunk.isLast;
  const part: UploadedPart = { batchId: target, index: targetIndex, count: wanted.length };
  const uploaded = wanted.length === 0 ? before : [...before, part];
  const done = { runs, ...(uploaded.length === 0 ? {} : { uploaded }) };
  if (wanted.length === 0 && !(isLast && targetIndex > 0)) return { ...done, targetIndex };
  const order = await theOrder(ports, operation, work);
  const profile = await ports.profiles.get(order.tenant, order.profileHash);
  if (profile === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'the profile of the order is not stored');
  }
  const isAgain = await isOrderOfReissue(ports, order.tenant, batch.orderId);
  const next = await extendBatch(
    ports.ingest,
    {
      order,
      profile,
      lane: 'bulk',
      idempotencyKey: uploadKeyOf(operation, batch, operation.cursor),
      firstIndex: targetIndex,
      signal,
    },
    wanted.map(({ requestDer: der, deviceId, source, index }) => {
      // Of one that was reissued before, where it was issued first.
      return { der, deviceId, source: isAgain ? source : `${batch.batchId} ${String(index)}` };
    }),
    isLast,
  );
  return { ...done, targetIndex: next };
}

function submittedIndexes(runs: readonly OutcomeRun[]): ReadonlySet<number> {
  const indexes = runs
    .filter(({ outcome }) => outcome === 'submitted')
    .flatMap(({ index, count }) => Array.from({ length: count }, (_, i) => index + i));
  return new Set(indexes);
}
