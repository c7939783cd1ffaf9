import { ApprovalRequired, CertmillError, isCertmillError } from '@certmill/domain';
import type { ApprovalLedger, Clock, OperationGate, SensitiveOperation } from '@certmill/ports';
import { parseApproval, type Quorum } from './approval.js';
import { newOperationId, type Operation, operationHash, operationOf } from './operation.js';
import type { QuorumPolicy } from './quorum-policy.js';
import { requireApproval } from './require-approval.js';

export interface GateParts {
  /** Read at each demand: a quorum that is adopted is in force at once. */
  readonly policy: () => Promise<QuorumPolicy | undefined>;
  readonly ledger: ApprovalLedger;
  readonly clock: Clock;
}

/**
 * The gate of an installation. A policy that was there once stays asked for until the process ends:
 * one that is gone refuses everything. CONFIG_INVALID where it cannot be read.
 */
export async function openOperationGate(parts: GateParts): Promise<OperationGate> {
  const { ledger, clock } = parts;
  let isKnown = false;
  const quorumNow = async (): Promise<QuorumPolicy | undefined> => {
    const quorum = await readPolicy(parts);
    if (quorum === undefined && isKnown) {
      throw new CertmillError('CONFIG_INVALID', 'the quorum policy of this installation is gone');
    }
    isKnown ||= quorum !== undefined;
    return quorum;
  };
  await quorumNow();
  return {
    async demand(wanted, { approvals, useId = newOperationId() }) {
      const quorum = await quorumNow();
      if (quorum === undefined) return undefined;
      const given = approvals.map((approval, i) =>
        parseApproval(JSON.stringify(approval), `approval ${String(i + 1)}`),
      );
      // Of approvals that do not fit together, the others are refused with their reason.
      const operation = operationOf(inInstallation(wanted, quorum), given[0]?.operation.id);
      try {
        return await requireApproval(operation, given, quorum, {
          ledger,
          nowMs: clock.nowMs(),
          useId,
        });
      } catch (error) {
        if (!isCertmillError(error) || error.code !== 'APPROVAL_REQUIRED') throw error;
        throw required(error.message, operation, quorum);
      }
    },
    async propose(wanted) {
      const quorum = await quorumNow();
      if (quorum === undefined) throw notAskedFor();
      throw required(
        'what would be done is to be approved',
        operationOf(inInstallation(wanted, quorum)),
        quorum,
      );
    },
  };
}

/** Of what an installation asks no approvals for. */
function notAskedFor(): CertmillError {
  return new CertmillError(
    'CONFLICT',
    'no approvals are asked for here: there is nothing to propose',
  );
}

async function readPolicy({ policy }: GateParts): Promise<QuorumPolicy | undefined> {
  try {
    return await policy();
  } catch (cause) {
    const reason = isCertmillError(cause) ? `: ${cause.message}` : '';
    throw new CertmillError(
      'CONFIG_INVALID',
      `the quorum policy of this installation cannot be read${reason}`,
      { cause },
    );
  }
}

/** Approvals for one installation are good for no other with the same people. */
function inInstallation(
  { kind, parameters }: SensitiveOperation,
  { installation }: QuorumPolicy,
): Pick<Operation, 'kind' | 'parameters'> {
  return { kind, parameters: { ...parameters, installation } };
}

function required(message: string, operation: Operation, quorum: Quorum): ApprovalRequired {
  return new ApprovalRequired(message, {
    operation,
    sha256: operationHash(operation),
    threshold: quorum.threshold,
    approvers: quorum.approvers.map(({ name }) => name),
  });
}
