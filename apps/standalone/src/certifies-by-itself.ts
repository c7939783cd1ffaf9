import { existsSync } from 'node:fs';
import { isKeyAtHand } from '@certmill/trust';
import { quorumPolicyFileOf } from '@certmill/trust/approvals';
import type { IssuerSet } from './issuers.js';

/**
 * Whose responders the server of a data folder makes and renews by itself: those of the issuers that it signs
 * with, and of other CAs whose key is at hand as long as the folder asks for no quorum (ADR 0034).
 */
export function certifiesByItself({
  dataDirectory,
  catalogue,
  authorities,
}: Pick<IssuerSet, 'dataDirectory' | 'catalogue' | 'authorities'>): (name: string) => boolean {
  const quorumFile = quorumPolicyFileOf(dataDirectory);
  let hasQuorum = false;
  return (name) => {
    const ca = authorities.find(name);
    if (ca === undefined || !isKeyAtHand(ca)) return false;
    if (catalogue.find(name) !== undefined) return true;
    // A policy that is damaged, or gone since, is not taken for none.
    hasQuorum ||= existsSync(quorumFile);
    return !hasQuorum;
  };
}
