import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { retirementFileName, writeRetirement } from './ca-description.js';
import { withCaLock } from './folder-lock.js';
import { authorityIn } from './open-authority.js';

export interface CloseIssuerOptions {
  readonly directory: string;
  readonly name: string;
  /** What takes its place; absent: nothing. */
  readonly successor?: string;
  readonly nowMs: number;
}

/**
 * Gives an issuing CA up: it opens no order and takes no upload of anybody any more, which servers see
 * within a second. What was accepted before is still signed, and so is the status of what it issued.
 * Durable before it resolves, and for good. Resolves to false where it was so already.
 * NOT_FOUND; INVALID_INPUT where it is no issuing CA.
 */
export async function closeIssuer(options: CloseIssuerOptions): Promise<boolean> {
  const { directory, name, successor, nowMs } = options;
  return withCaLock(directory, async () => {
    const ca = await authorityIn(directory, name);
    if (ca.role !== 'issuing') {
      throw new CertmillError('INVALID_INPUT', `CA '${name}' issues nothing to devices`);
    }
    const next = successor ?? ca.retirement?.successor;
    if (ca.retirement?.isClosed === true && ca.retirement.successor === next) return false;
    await writeRetirement(join(ca.directory, retirementFileName), {
      ...(next === undefined ? {} : { successor: next }),
      retiredAtMs: nowMs,
      isClosed: true,
    });
    return true;
  });
}
