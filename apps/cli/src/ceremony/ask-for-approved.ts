import { CertmillError } from '@certmill/domain';
import type { CallApprovals } from '../client/issuance-client.js';
import { ServerError } from '../client/server-error.js';
import type { Terminal } from '../terminal/terminal.js';
import { howApproved, propose, readApprovals, type ApprovalOptions } from './approval-options.js';

/**
 * Makes a call of a server with the approvals of a command, or writes down what the server wants
 * approved. APPROVAL_REQUIRED says how to go on.
 */
export async function askForApproved<T>(
  terminal: Terminal,
  { approval, propose: file }: ApprovalOptions,
  ask: (approved: CallApprovals) => Promise<T>,
): Promise<T> {
  const approvals = await readApprovals(approval);
  try {
    return await ask({
      ...(approvals.length === 0 ? {} : { approvals }),
      ...(file === undefined ? {} : { propose: true }),
    });
  } catch (error) {
    if (!(error instanceof ServerError) || error.proposed === undefined) throw error;
    if (file !== undefined) return propose(terminal, file, error.proposed);
    throw new CertmillError('APPROVAL_REQUIRED', `${error.message}\n${howApproved}`);
  }
}
