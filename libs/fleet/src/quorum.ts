import { CertmillError, isCertmillError } from '@certmill/domain';
import type { ApprovalLedger, Clock, OperationGate } from '@certmill/ports';
import {
  openOperationGate,
  quorumPolicyFileOf,
  readQuorumPolicyFile,
  type QuorumPolicy,
} from '@certmill/trust/approvals';
import type { FleetConfig } from './config/fleet-config.js';

type QuorumConfig = Pick<FleetConfig, 'quorumFile' | 'trust'>;

/** The gate of every ingest of the fleet: what one of them used up is used up for all. */
export function openGate(
  config: QuorumConfig,
  ledger: ApprovalLedger,
  clock: Clock,
): Promise<OperationGate> {
  return openOperationGate({ policy: () => readFleetQuorum(config), ledger, clock });
}

/**
 * Undefined where the fleet has none. CONFIG_INVALID where the file that the configuration names is not
 * there, or a policy is damaged: it is never taken for none.
 */
export async function readFleetQuorum({
  quorumFile,
  trust,
}: QuorumConfig): Promise<QuorumPolicy | undefined> {
  const file = quorumFile ?? (trust === undefined ? undefined : quorumPolicyFileOf(trust));
  if (file === undefined) return undefined;
  const field = quorumFile === undefined ? 'trust' : 'quorumFile';
  try {
    const quorum = await readQuorumPolicyFile(file);
    if (quorum !== undefined || quorumFile === undefined) return quorum;
  } catch (cause) {
    const reason = isCertmillError(cause) ? cause.message : `cannot read ${file}`;
    throw new CertmillError('CONFIG_INVALID', `${field}: ${reason}`, { cause });
  }
  throw new CertmillError('CONFIG_INVALID', `quorumFile: there is no ${file}`);
}
