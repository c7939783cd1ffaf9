import { randomUUID } from 'node:crypto';
import {
  assertName,
  canonicalJson,
  CertmillError,
  noMassCounts,
  runsOf,
  type FrozenBatch,
  type MassOperation,
  type MassSelection,
  type MassWork,
  type OutcomeRun,
  type TenantId,
} from '@certmill/domain';
import { orderToOpen } from '../ingest/open-order.js';
import { applyChange, type ChangedItem } from '../revoke/apply-changes.js';
import { assertInvalidityDate } from '../revoke/assert-invalidity-date.js';
import {
  freezeSelection,
  selectedBatches,
  sizeOf,
  type SelectionSize,
} from './freeze-selection.js';
import { addMassJob } from './mass-jobs.js';
import { countsOf, sumOf, withReasonsOf, type ReasonCounts } from './mass-counts.js';
import { maxRenewals } from './open-renewal.js';
import type { MassCallPorts, MassPorts } from './mass-ports.js';
import { orderOfReissue } from './operation-order.js';
import { readChunk, type MassChunk } from './read-chunk.js';
import { renewalOutcomes } from './renewal-outcomes.js';
import { runsOfItems, selectedOf } from './revoke-chunk.js';
import { untilSettled } from './until-settled.js';

/** A certificate in 100 s: a chunk takes a working day. */
const lowestRate = 0.01;

export interface NewMassOperation {
  readonly tenant: TenantId;
  readonly operationId: string;
  /** As the audit trail names them. */
  readonly actor: string;
  readonly selection: MassSelection;
  readonly work: MassWork;
  readonly ratePerSecond?: number;
  /** Called before one that is not there begins: nothing is stored where it rejects. */
  readonly beforeBegun?: () => Promise<void>;
}

/**
 * Freezes the selection and has the operation run. The same again is success, and the operation as it
 * is by now; another one under its name is a CONFLICT. Faults: INVALID_INPUT, NOT_FOUND, LIMIT_EXCEEDED,
 * CONFLICT also where nothing here runs jobs.
 */
export async function beginOperation(
  ports: MassCallPorts,
  wanted: NewMassOperation,
): Promise<MassOperation> {
  assertName('operation id', wanted.operationId);
  const { tenant, operationId } = wanted;
  const existing = await ports.operations.getOperation(tenant, operationId);
  if (existing !== undefined) return beganBefore(ports, existing, wanted);
  await assertBeginnable(ports, wanted);
  if (ports.jobs === undefined) throw noJobs();
  await wanted.beforeBegun?.();
  const name = { tenant, operationId, freezeId: randomUUID() };
  const size = await freezeSelection(ports, name, wanted.selection);
  const begun = operationOf(wanted, name.freezeId, size, ports.clock.nowMs());
  // Nothing is done before it is told, and of two calls at once one tells.
  const decided = { state: 'running', atMs: begun.createdAtMs, actor: wanted.actor } as const;
  const added = { ...begun, decided };
  if (!(await ports.operations.addOperation(added))) {
    await ports.operations.dropFrozen(name);
    const first = await ports.operations.getOperation(tenant, operationId);
    if (first !== undefined) return beganBefore(ports, first, wanted);
  }
  const operation = await untilSettled(ports, added, true);
  await addMassJob(ports.jobs, operation);
  return operation;
}

/** What would become of one. */
export interface ForeseenOperation extends MassOperation {
  readonly reasons: ReasonCounts;
}

/** Counts what would become of the certificates, and stores nothing. Faults: as `beginOperation`. */
export async function previewOperation(
  ports: MassPorts,
  wanted: NewMassOperation,
  signal?: AbortSignal,
): Promise<ForeseenOperation> {
  assertName('operation id', wanted.operationId);
  const { tenant, selection } = wanted;
  const size = await assertBeginnable(ports, wanted);
  const operation = operationOf(wanted, '', size, ports.clock.nowMs());
  let { counts } = operation;
  let reasons: ReasonCounts = {};
  for await (const { batch } of selectedBatches(ports, tenant, selection)) {
    let isLast = false;
    for (let chunkNumber = 0; !isLast; chunkNumber += 1) {
      signal?.throwIfAborted();
      const chunk = await readChunk(ports, tenant, batch, chunkNumber, selection);
      ({ isLast } = chunk);
      const runs = await foreseen(ports, operation, batch, chunk);
      counts = sumOf(counts, countsOf(chunk, runs));
      reasons = withReasonsOf(reasons, runs);
    }
  }
  return { ...operation, counts, reasons };
}

export function noJobs(): CertmillError {
  return new CertmillError(
    'CONFLICT',
    'mass operations need the queue of timed jobs: configure redis for this service',
  );
}

/** Resolves to how much is selected now. */
async function assertBeginnable(
  ports: MassPorts,
  wanted: NewMassOperation,
): Promise<SelectionSize> {
  const { work, ratePerSecond, tenant, operationId } = wanted;
  if (work.kind === 'revoke') assertInvalidityDate(work, ports.clock.nowMs());
  if (ratePerSecond !== undefined && !(ratePerSecond >= lowestRate)) {
    throw new CertmillError('INVALID_INPUT', `the rate is ${String(lowestRate)} a second at least`);
  }
  const size = await sizeOf(selectedBatches(ports, tenant, wanted.selection));
  if (size.certificates === 0) {
    throw new CertmillError('INVALID_INPUT', 'the selection has no certificates');
  }
  if (work.kind !== 'revoke') {
    if ((await ports.orders.getOrder(tenant, operationId)) !== undefined) {
      throw new CertmillError(
        'CONFLICT',
        `there is an order '${operationId}': choose another name`,
      );
    }
    const { certificates: quota } = size;
    if (work.kind === 'renew' && quota > maxRenewals) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        `more than ${String(maxRenewals)} certificates are selected: narrow the selection`,
      );
    }
    await orderToOpen(ports.opening, orderOfReissue({ tenant, operationId, quota }, work));
  }
  return size;
}

function operationOf(
  { tenant, operationId, actor, selection, work, ratePerSecond }: NewMassOperation,
  freezeId: string,
  { batches: frozenBatches, requests, certificates: quota }: SelectionSize,
  createdAtMs: number,
): MassOperation {
  return {
    tenant,
    operationId,
    selection,
    work,
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    freezeId,
    frozenBatches,
    quota,
    createdAtMs,
    createdBy: actor,
    state: 'running',
    cursor: { batch: 0, chunkNumber: 0, targetIndex: 0 },
    counts: { ...noMassCounts, requests },
    version: 1,
  };
}

async function foreseen(
  ports: MassPorts,
  { work, createdAtMs }: MassOperation,
  batch: FrozenBatch,
  { certificates }: MassChunk,
): Promise<readonly OutcomeRun[]> {
  if (work.kind !== 'revoke') {
    return runsOf(await renewalOutcomes(ports, work, batch, certificates, createdAtMs));
  }
  const change = { kind: 'revoke', reason: work.reason, revokedAtMs: createdAtMs } as const;
  const items: ChangedItem[] = [];
  await applyChange(ports, selectedOf(certificates), change, {
    isDryRun: true,
    onItems(some) {
      items.push(...some);
    },
  });
  return runsOfItems(items);
}

async function beganBefore(
  { jobs }: MassCallPorts,
  existing: MassOperation,
  wanted: NewMassOperation,
): Promise<MassOperation> {
  const asked = ({ selection, work, ratePerSecond = 0 }: MassOperation | NewMassOperation) =>
    canonicalJson({ selection, work, ratePerSecond });
  if (asked(existing) !== asked(wanted)) {
    throw new CertmillError('CONFLICT', `another operation '${existing.operationId}' is stored`);
  }
  // The call before may have ended between the two.
  if (existing.state === 'running' && jobs !== undefined) await addMassJob(jobs, existing);
  return existing;
}
