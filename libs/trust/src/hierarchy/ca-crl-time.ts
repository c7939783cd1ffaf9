import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { walkCertificateList } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import type { Issuer } from './load-issuers.js';

/** The last CRL of a CA over the CA certificates that it signed, DER, as it is served. */
export const caCrlFileName = 'ca.crl';

/** A clock this far behind is taken for jitter, as that of issuance is (DESIGN 3.9). */
const toleratedStepMs = 5_000;

/**
 * The time at which a CA revokes a CA certificate or makes a CRL of them, in Unix milliseconds: never
 * before its last CRL. FAULT_CLOCK_BACKWARDS where the clock is more than 5 s behind that, or before the
 * CA begins; CONFLICT where it is beyond the end of the CA, whose CRLs nobody takes (RFC 5280 6.3.3 (f)).
 */
export async function caCrlTime(
  ca: Pick<Issuer, 'name' | 'directory' | 'notBeforeMs' | 'notAfterMs'>,
  nowMs: number,
): Promise<number> {
  const { name, directory, notBeforeMs, notAfterMs } = ca;
  if (nowMs < notBeforeMs) {
    throw clockFault(nowMs, `CA '${name}' is not valid before ${isoTime(notBeforeMs)}`);
  }
  if (nowMs > notAfterMs) {
    throw new CertmillError(
      'CONFLICT',
      `CA '${name}' expired at ${isoTime(notAfterMs)}, and the clock is at ${isoTime(nowMs)}: ` +
        'it signs no CRL',
    );
  }
  const file = join(directory, caCrlFileName);
  const lastMs = await lastUpdateMs(file);
  if (nowMs < lastMs - toleratedStepMs) {
    throw clockFault(nowMs, `the last CRL of CA '${name}', ${file}, is of ${isoTime(lastMs)}`);
  }
  return Math.max(nowMs, lastMs);
}

/** thisUpdate of the last CRL; before everything where there is none, or none that can be read. */
async function lastUpdateMs(file: string): Promise<number> {
  try {
    const { error, thisUpdateSeconds } = walkCertificateList(await readFile(file));
    return error === undefined ? thisUpdateSeconds * 1_000 : -Infinity;
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return -Infinity;
    throw cause;
  }
}

function clockFault(nowMs: number, reason: string): CertmillError {
  return new CertmillError(
    'FAULT_CLOCK_BACKWARDS',
    `the clock is at ${isoTime(nowMs)}, and ${reason}: set the clock right`,
  );
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
