import type { VerifiedStore } from '@certmill/trust';
import { exitCodes } from '../terminal/exit-codes.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';

/** Shows how far `verify` is, what it has checked, and everything that is wrong, which is a failure. */
export async function reportVerification(
  terminal: Terminal,
  verify: (onProgress: (certificates: number) => void) => Promise<VerifiedStore>,
): Promise<void> {
  const progress = terminal.progress('certificates checked');
  const result = await verify((done) => progress.update({ done }));
  progress.stop();
  const { certificates, rejections, batches, inFlight, findings, findingsLeftOut } = result;
  if (findings.length > 0) terminal.exitCode = exitCodes.couldNotRun;
  terminal.report(result, [
    `${formatNumber(certificates)} certificates and ${formatNumber(rejections)} rejections in ${formatNumber(batches)} batches, ${formatNumber(inFlight)} requests in flight`,
    ...(findings.length === 0 ? ['the store is sound'] : findings),
    ...(findingsLeftOut === 0 ? [] : [`and ${formatNumber(findingsLeftOut)} findings more`]),
  ]);
}
