import {
  authorityIn,
  type AuthorityPlace,
  caCrlValiditySeconds,
  issueCaCrl,
  lacksCaCrl,
} from '@certmill/trust';
import { readQuorumPolicy } from '@certmill/trust/approvals';

/**
 * Makes the first CRL of a CA whose certificates name an address for it, so that no verifier finds nothing
 * there. Not where a quorum guards the folder: what its key signs beside what was approved is approved
 * as `certmill ca crl`.
 */
export async function makeFirstCrl(place: AuthorityPlace, nowMs: number): Promise<void> {
  if ((await readQuorumPolicy(place.directory)) !== undefined) return;
  if (!(await lacksCaCrl(await authorityIn(place.directory, place.name)))) return;
  await issueCaCrl(place, caCrlValiditySeconds, nowMs);
}
