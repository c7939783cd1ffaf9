import type { VerifiedStore } from '@certmill/trust';
import { formatNumber } from '../terminal/quantities.js';

/** What was checked, and everything that is wrong. */
export function verificationLines(result: VerifiedStore): readonly string[] {
  const { certificates, rejections, batches, inFlight, findings, findingsLeftOut } = result;
  return [
    `${formatNumber(certificates)} certificates and ${formatNumber(rejections)} rejections in ${formatNumber(batches)} batches, ${formatNumber(inFlight)} requests in flight`,
    ...(findings.length === 0 ? ['the store is sound'] : findings),
    ...(findingsLeftOut === 0 ? [] : [`and ${formatNumber(findingsLeftOut)} findings more`]),
  ];
}
