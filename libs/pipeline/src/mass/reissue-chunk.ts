import {
  batchIdOf,
  canonicalJson,
  CertmillError,
  isCertmillError,
  runsOf,
  type BatchId,
  type FrozenBatch,
  type MassCursor,
  type MassOperation,
  type Order,
  type OutcomeRun,
  type ReissueWork,
  type TenantId,
  type UploadedPart,
} from '@certmill/domain';
import { endUpload, extendBatch } from '../ingest/upload-batch.js';
import { reissueSourceOf, textOfReissueSource } from '../reissue-source.js';
import type { MassPorts } from './mass-ports.js';
import type { MassStep, StepDone } from './mass-step.js';
import { isOrderOfReissue, theOrder } from './operation-order.js';
import type { MassChunk } from './read-chunk.js';
import { renewalOutcomes, type RenewalOutcome } from './renewal-outcomes.js';
import { Superseded } from './stored-operation.js';

/**
 * What a step uploads and where: stored before it is done, so that it is the same when it is done again.
 * Until it is registered it is planned anew each time, for certificates may have been revoked since. A run that hung
 * may be about to upload what was planned before, so what is planned otherwise goes to another batch, and the
 * one before takes nothing more. After a restore the batch has another id too, and what had got into the one
 * before stays there. Undefined where it stands as it is stored.
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
  const targetOf = (of: MassCursor) =>
    batchIdOf(epoch, tenant, operationId, uploadKeyOf(operation, batch, of));
  const target = targetOf(begun);
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
  const place = { tenant, batchId: target, index: targetIndex };
  const hasBegun =
    upload !== undefined && (upload.before.length > 0 || (await isRegistered(ports, place)));
  if (hasBegun) return undefined;
  const { certificates } = chunk;
  const nowMs = ports.clock.nowMs();
  const outcomes = await renewalOutcomes(ports, work, batch, certificates, nowMs);
  const planned = uploadOf(outcomes);
  const pending = chunk.pending > 0 ? ({ isPending: true } as const) : {};
  const plan = { ...begun, ...pending, upload: planned };
  if (upload === undefined) return { ...plan, target, targetIndex };
  const isSame = canonicalJson(planned) === canonicalJson({ ...upload, before: [] });
  if (isSame && !(await isClosed(ports, place))) return undefined;
  const order = await theOrder(ports, operation, work);
  const idempotencyKey = uploadKeyOf(operation, batch, begun);
  if (!(await closeTarget(ports, order, idempotencyKey, place))) return undefined;
  const closed = (begun.closed ?? 0) + 1;
  return { ...plan, closed, target: targetOf({ ...begun, closed }), targetIndex: 0 };
}

function uploadOf(outcomes: readonly RenewalOutcome[]): NonNullable<MassCursor['upload']> {
  const displaced = outcomes.flatMap(({ index, displaced: holder }) => {
    return holder === undefined ? [] : { index, holder };
  });
  return { runs: runsOf(outcomes), before: [], ...(displaced.length === 0 ? {} : { displaced }) };
}

interface TargetPlace {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly index: number;
}

async function isRegistered(
  { ingest: { batches } }: MassPorts,
  { tenant, batchId, index }: TargetPlace,
): Promise<boolean> {
  return (await batches.findChunk(tenant, batchId, index)) !== undefined;
}

/** Whether a batch was closed before the place: nothing can be registered there any more. */
async function isClosed(
  { ingest: { batches } }: MassPorts,
  { tenant, batchId, index }: TargetPlace,
): Promise<boolean> {
  const total = (await batches.getBatch(tenant, batchId))?.total;
  return total !== undefined && total <= index;
}

/** Closes a batch at the place, whether it was opened or not; false where a run has registered something there. */
async function closeTarget(
  ports: MassPorts,
  order: Order,
  idempotencyKey: string,
  place: TargetPlace,
): Promise<boolean> {
  try {
    await endUpload(ports.ingest, { order, lane: 'bulk', idempotencyKey }, place.index);
    return true;
  } catch (error) {
    if (await isRegistered(ports, place)) return false;
    throw error;
  }
}

/**
 * What was on its way is uploaded by itself: the batch that stands for its own is whole by then. The text
 * of a chunk and of a closed batch cannot be the same.
 */
function uploadKeyOf(
  { operationId }: MassOperation,
  { batchId }: FrozenBatch,
  { late, closed = 0 }: MassCursor,
): string {
  const part = late === undefined ? '' : `/${String(late.chunkNumber)}`;
  const behind = closed === 0 ? '' : `/closed-${String(closed)}`;
  return `${operationId}/${batchId}${part}${behind}`;
}

/**
 * Uploads the stored requests of a chunk's certificates once more, into the batch that stands for theirs.
 * Throws `Superseded` where another run has closed that since.
 */
export async function reissueChunk(
  ports: MassPorts,
  { operation, batch, chunk, signal }: MassStep,
  work: ReissueWork,
): Promise<StepDone> {
  const { targetIndex, target = '', upload, late } = operation.cursor;
  const runs = upload?.runs ?? [];
  const before = upload?.before ?? [];
  const displaced = new Map(upload?.displaced?.map(({ index, holder }) => [index, holder]));
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
  const uploading = extendBatch(
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
      const predecessor = { batchId: batch.batchId, index };
      const first = isAgain ? reissueSourceOf(source).first : predecessor;
      const holder = displaced.get(index) ?? predecessor;
      return { der, deviceId, source: textOfReissueSource({ first, predecessor, holder }) };
    }),
    isLast,
  );
  const next = await uploading.catch(async (error: unknown) => {
    const place = { tenant: order.tenant, batchId: target, index: targetIndex };
    if (wanted.length === 0 || !isConflict(error)) throw error;
    throw (await isClosed(ports, place)) ? new Superseded() : error;
  });
  return { ...done, targetIndex: next };
}

function isConflict(error: unknown): boolean {
  return isCertmillError(error) && error.code === 'CONFLICT';
}

function submittedIndexes(runs: readonly OutcomeRun[]): ReadonlySet<number> {
  const indexes = runs
    .filter(({ outcome }) => outcome === 'submitted')
    .flatMap(({ index, count }) => Array.from({ length: count }, (_, i) => index + i));
  return new Set(indexes);
}
