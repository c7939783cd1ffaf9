import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { walkCertificateList } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { caCrlFileName } from './ca-crl-time.js';
import { isKeyAtHand, type Issuer, loadAuthorities } from './load-issuers.js';

/** Of a CRL that nobody said anything else of: what an online CA makes another one of in time. */
export const caCrlValiditySeconds = 90 * 86_400;

/** A CRL of CA certificates that is to be made. */
export interface DueCaCrl {
  readonly ca: Issuer;
  /** As long as that of the one before. */
  readonly validitySeconds: number;
}

/**
 * The CRLs of CA certificates of a data folder that are due: of CAs whose certificates name an address for
 * one and whose key is in a file here, where there is none, or where half of its life is over.
 */
export async function dueCaCrls(
  dataDirectory: string,
  nowMs: number,
): Promise<readonly DueCaCrl[]> {
  const due: DueCaCrl[] = [];
  for (const ca of await loadAuthorities(dataDirectory)) {
    const isAlive = nowMs >= ca.notBeforeMs && nowMs <= ca.notAfterMs;
    if (!ca.hasKey || !isAlive) continue;
    const validitySeconds = await dueValiditySeconds(ca, nowMs);
    if (validitySeconds !== undefined) due.push({ ca, validitySeconds });
  }
  return due;
}

/** Whether a CA is to have a CRL of CA certificates, can make one, and has none. */
export async function lacksCaCrl(ca: Issuer): Promise<boolean> {
  return isKeyAtHand(ca) && (await dueValiditySeconds(ca, -Infinity)) !== undefined;
}

async function dueValiditySeconds(ca: Issuer, nowMs: number): Promise<number | undefined> {
  if (ca.role === 'issuing' || ca.status === undefined) return undefined;
  let der: Uint8Array;
  try {
    der = await readFile(join(ca.directory, caCrlFileName));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return caCrlValiditySeconds;
    throw cause;
  }
  const { error, thisUpdateSeconds, nextUpdateSeconds } = walkCertificateList(der);
  if (error !== undefined || Number.isNaN(nextUpdateSeconds)) return caCrlValiditySeconds;
  const validitySeconds = Math.max(1, nextUpdateSeconds - thisUpdateSeconds);
  return nowMs / 1_000 >= thisUpdateSeconds + validitySeconds / 2 ? validitySeconds : undefined;
}
