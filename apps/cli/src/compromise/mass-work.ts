import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { CertmillError, faultCatalogue, type FaultCode } from '@certmill/domain';
import { parseOperation, type Operation } from '@certmill/trust/approvals';
import { compromiseFileOf } from '@certmill/trust/compromise';
import { writeProposal } from '../ceremony/approval-options.js';
import type { NewMassOperation } from '../client/issuance-client.js';
import { ServerError } from '../client/server-error.js';
import type { MassOperationView } from '../client/views.js';
import { watchOperation } from '../client/watch-operation.js';
import { type StepContext, waits } from './step-context.js';

/**
 * Begins a mass operation, or goes on with the one that was begun before, and follows it to its end, or
 * until nothing but dead letters is left: it is for people to retry or drop them.
 * One that has failed is resumed once; STEP_WAITS where somebody has paused or cancelled it, and its own
 * fault where it fails again.
 */
export async function massWork(
  context: StepContext,
  wanted: Omit<NewMassOperation, 'dryRun'>,
): Promise<MassOperationView> {
  const { client, terminal } = context;
  const { operationId: name } = wanted;
  const begun = await beginApproved(context, { ...wanted, dryRun: false });
  if (begun.state === 'failed') await client.controlOperation(name, 'resume');
  const ended = await watchOperation(terminal, client, name, isEnough);
  if (ended.state === 'done' || ended.state === 'running') return ended;
  throw notDone(ended);
}

/**
 * With those of the approvals that are of this operation. Where the server wants more, what is to be
 * approved is written beside the run: APPROVAL_REQUIRED.
 */
async function beginApproved(
  { client, circumstances, data }: StepContext,
  wanted: NewMassOperation,
): Promise<MassOperationView> {
  const { operationId: name } = wanted;
  const file = compromiseFileOf(data, `${name}.proposed`);
  const proposed = await readProposed(file);
  const approvals = circumstances.approvals.filter(
    ({ operation }) => operation.id === proposed?.id,
  );
  try {
    return await client.beginOperation(wanted, approvals.length === 0 ? {} : { approvals });
  } catch (error) {
    if (!(error instanceof ServerError) || error.proposed === undefined) throw error;
    // One that is being approved stays as it is: its approvals are of its id.
    if (proposed === undefined) await writeProposal(file, error.proposed);
    throw new CertmillError(
      'APPROVAL_REQUIRED',
      `${error.message}\nhave ${file} approved with 'certmill ceremony approve ${file} --as NAME --key KEY', ` +
        'and add --approval FILE for each',
      { cause: error },
    );
  }
}

/** What is being approved; undefined where nothing is. */
async function readProposed(file: string): Promise<Operation | undefined> {
  return existsSync(file) ? parseOperation(await readFile(file, 'utf8'), file) : undefined;
}

/** What is pending then was drained before: dead letters. */
function isEnough({ kind, counts }: MassOperationView): boolean {
  if (counts.lookedAt < counts.requests) return false;
  if (kind === 'revoke') return counts.pending > 0;
  const { submitted, issued, rejected, deadLettered, pending } = counts;
  return issued + rejected + deadLettered >= submitted && deadLettered + pending > 0;
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
