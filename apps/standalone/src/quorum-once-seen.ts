import { existsSync } from 'node:fs';
import { quorumPolicyFileOf } from '@certmill/trust/approvals';

/**
 * Whether a data folder asks for a quorum. Once it did, it does for as long as the process runs: a policy that
 * is damaged, or gone since, is not taken for none.
 */
export function quorumOnceSeen(directory: string): () => boolean {
  const file = quorumPolicyFileOf(directory);
  let hasQuorum = false;
  return () => (hasQuorum ||= existsSync(file));
}
