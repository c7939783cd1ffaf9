import { CertmillError, type MassOperation, type MassState, type TenantId } from '@certmill/domain';
import { noJobs } from './begin-operation.js';
import { addMassJob } from './mass-jobs.js';
import type { MassCallPorts } from './mass-ports.js';
import { untilSettled } from './until-settled.js';
import { without } from './without.js';

export type MassControl = 'pause' | 'resume' | 'cancel';

const controls = {
  pause: { from: ['running'], to: 'paused' },
  // Also of one that runs: whose job has failed for good.
  resume: { from: ['paused', 'failed', 'running'], to: 'running' },
  cancel: { from: ['running', 'paused', 'failed'], to: 'cancelled' },
} as const satisfies Record<
  MassControl,
  { readonly from: readonly MassState[]; readonly to: MassState }
>;

/**
 * Pauses an operation after the step in hand, has it go on, or ends it: what it has done stays done, and
 * of a reissue what is uploaded and not signed yet is not issued. Twice is once. It is decided first; where a
 * fault or the end of the process comes behind that, it becomes so all the same. Faults: NOT_FOUND,
 * CONFLICT where it is over.
 */
export async function controlOperation(
  ports: MassCallPorts,
  actor: string,
  tenant: TenantId,
  operationId: string,
  control: MassControl,
): Promise<MassOperation> {
  const { from, to } = controls[control];
  const { operations, clock } = ports;
  for (;;) {
    const stored = await operations.getOperation(tenant, operationId);
    if (stored === undefined) throw noSuchOperation(operationId);
    const { decided, version } = stored;
    if (decided?.actor !== undefined) {
      const settled = await untilSettled(ports, stored, false);
      if (decided.state === to) return controlled(ports, settled);
      continue;
    }
    if (stored.state === to && control !== 'resume') return stored;
    if (!(from as readonly MassState[]).includes(stored.state)) {
      throw new CertmillError('CONFLICT', `operation '${operationId}' is ${stored.state}`);
    }
    if (control === 'resume' && ports.jobs === undefined) throw noJobs();
    if (decided !== undefined) return endingAnyway(ports, stored, control);
    const changed: MassOperation = {
      ...without(stored, 'endedAtMs', 'failure'),
      state: 'running',
      decided: { state: to, atMs: clock.nowMs(), actor },
      version: version + 1,
    };
    if (!(await operations.saveOperation(changed, version))) continue;
    return controlled(ports, await untilSettled(ports, changed, true));
  }
}

async function controlled(
  { jobs }: MassCallPorts,
  operation: MassOperation,
): Promise<MassOperation> {
  if (operation.state === 'running' && jobs !== undefined) await addMassJob(jobs, operation);
  return operation;
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
