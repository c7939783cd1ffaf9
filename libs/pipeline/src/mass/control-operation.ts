import { CertmillError, type MassOperation, type MassState, type TenantId } from '@certmill/domain';
import { recordAudit } from '../revoke/record-audit.js';
import { noJobs } from './begin-operation.js';
import { detailOf } from './mass-audit.js';
import { addMassJob } from './mass-jobs.js';
import type { MassCallPorts } from './mass-ports.js';
import { closeTheOrder } from './operation-order.js';
import { without } from './without.js';

export type MassControl = 'pause' | 'resume' | 'cancel';

const controls = {
  pause: { from: ['running'], to: 'paused', action: 'mass-operation.paused' },
  // Also of one that runs: whose job has failed for good.
  resume: {
    from: ['paused', 'failed', 'running'],
    to: 'running',
    action: 'mass-operation.resumed',
  },
  cancel: {
    from: ['running', 'paused', 'failed'],
    to: 'cancelled',
    action: 'mass-operation.cancelled',
  },
} as const satisfies Record<
  MassControl,
  { readonly from: readonly MassState[]; readonly to: MassState; readonly action: string }
>;

/**
 * Pauses an operation after the step in hand, has it go on, or ends it: what it has done stays done, and
 * of a reissue what is uploaded and not signed yet is not issued. Twice is once. Faults: NOT_FOUND,
 * CONFLICT where it is over.
 */
export async function controlOperation(
  ports: MassCallPorts,
  actor: string,
  tenant: TenantId,
  operationId: string,
  control: MassControl,
): Promise<MassOperation> {
  const { from, to, action } = controls[control];
  for (;;) {
    const stored = await ports.operations.getOperation(tenant, operationId);
    if (stored === undefined) throw noSuchOperation(operationId);
    if (stored.state === to && control !== 'resume') return stored;
    if (!(from as readonly MassState[]).includes(stored.state)) {
      throw new CertmillError('CONFLICT', `operation '${operationId}' is ${stored.state}`);
    }
    if (control === 'resume' && ports.jobs === undefined) throw noJobs();
    if (stored.state === 'running' && stored.ending !== undefined) {
      return endingAnyway(ports, stored, control);
    }
    const changed = changedTo(stored, to, ports.clock.nowMs());
    if (!(await ports.operations.saveOperation(changed, stored.version))) continue;
    await recordAudit(ports, { tenant, actor, action, detail: detailOf(changed) });
    if (to === 'cancelled') await closeTheOrder(ports, changed, ports.clock.nowMs());
    if (control === 'resume' && ports.jobs !== undefined) await addMassJob(ports.jobs, changed);
    return changed;
  }
}

/** Nothing is left to stop or to go on with. Faults: CONFLICT. */
async function endingAnyway(
  { jobs }: MassCallPorts,
  operation: MassOperation,
  control: MassControl,
): Promise<MassOperation> {
  if (control !== 'resume' || jobs === undefined) {
    throw new CertmillError('CONFLICT', `operation '${operation.operationId}' is about to end`);
  }
  await addMassJob(jobs, operation);
  return operation;
}

export function noSuchOperation(operationId: string): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no operation '${operationId.slice(0, 80)}'`);
}

function changedTo(stored: MassOperation, state: MassState, nowMs: number): MassOperation {
  return {
    ...without(stored, 'endedAtMs', 'failure', 'ending'),
    ...(state === 'running' ? {} : { endedAtMs: nowMs }),
    state,
    version: stored.version + 1,
  };
}
