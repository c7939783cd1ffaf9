import { isKeyAtHand } from '@certmill/trust';
import type { IssuerSet } from './issuers.js';
import { quorumOnceSeen } from './quorum-once-seen.js';

/**
 * Whose responders the server of a data folder makes and renews by itself: those of the issuers that it signs
 * with, and of other CAs whose key is at hand as long as the folder asks for no quorum (ADR 0034).
 */
export function certifiesByItself({
  dataDirectory,
  catalogue,
  authorities,
}: Pick<IssuerSet, 'dataDirectory' | 'catalogue' | 'authorities'>): (name: string) => boolean {
  const hasQuorum = quorumOnceSeen(dataDirectory);
  return (name) => {
    const ca = authorities.find(name);
    if (ca === undefined || !isKeyAtHand(ca)) return false;
    return catalogue.find(name) !== undefined || !hasQuorum();
  };
}
