import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { retirementFileName, writeRetirement } from './ca-description.js';
import { findAuthority, type Issuer } from './load-issuers.js';
import { authorityIn } from './open-authority.js';
import { hasNewKey } from './own-name.js';

/** CONFLICT where the CA was given up, or retired for another one than the one that is to have its new key. */
export function assertRekeyable(
  { name, retirement }: Pick<Issuer, 'name' | 'retirement'>,
  successor: string,
): void {
  if (retirement === undefined || retirement.successor === successor) return;
  const { successor: other, isClosed } = retirement;
  if (isClosed !== true && other !== undefined) throw hasNewKey(name, other);
  const instead = other === undefined ? '' : `, and '${other}' takes its place`;
  throw new CertmillError('CONFLICT', `CA '${name}' is given up${instead}: it gets no new key`);
}

/** The same where the CA that is to be retired may not be in the folder any more. */
export async function assertRekeyableIn(
  directory: string,
  rekeys: string | undefined,
  successor: string,
): Promise<void> {
  const before = rekeys && (await findAuthority(directory, rekeys));
  if (before) assertRekeyable(before, successor);
}

/** Retires the CA whose new key a CA of the folder has, where that was not done: after a kill it is done later. */
export async function retireRekeyed(
  directory: string,
  successor: string,
  nowMs: number,
): Promise<void> {
  const { rekeys } = await authorityIn(directory, successor);
  const before = rekeys && (await findAuthority(directory, rekeys));
  if (!before || before.retirement !== undefined) return;
  const retirement = { successor, retiredAtMs: nowMs };
  await writeRetirement(join(before.directory, retirementFileName), retirement);
}
