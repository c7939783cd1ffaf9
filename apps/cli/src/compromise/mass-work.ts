import { CertmillError, faultCatalogue, type FaultCode } from '@certmill/domain';
import type { NewMassOperation } from '../client/issuance-client.js';
import type { MassOperationView } from '../client/views.js';
import { watchOperation } from '../client/watch-operation.js';
import { type StepContext, waits } from './step-context.js';

/**
 * Begins a mass operation, or goes on with the one that was begun before, and follows it to its end.
 * One that has failed is resumed once; STEP_WAITS where somebody has paused or cancelled it, and its own
 * fault where it fails again.
 */
export async function massWork(
  { client, terminal }: StepContext,
  wanted: Omit<NewMassOperation, 'dryRun'>,
): Promise<MassOperationView> {
  const { operationId: name } = wanted;
  const begun = await client.beginOperation({ ...wanted, dryRun: false });
  if (begun.state === 'failed') await client.controlOperation(name, 'resume');
  const ended = await watchOperation(terminal, client, name);
  if (ended.state === 'done') return ended;
  throw notDone(ended);
}

function notDone({ operationId: name, state, failure }: MassOperationView): CertmillError {
  if (state === 'paused') {
    return waits(`operation ${name} is paused: certmill mass resume ${name}`);
  }
  if (state === 'cancelled') {
    return waits(`operation ${name} was cancelled: begin another run with --name`);
  }
  const { code = '', message = '' } = failure ?? {};
  const reason = `operation ${name} has failed: ${code} ${message}`;
  return new CertmillError(isFaultCode(code) ? code : 'FAULT_PROCESSING', reason);
}

function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(faultCatalogue, code);
}
