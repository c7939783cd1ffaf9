import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CertmillError, isName } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { damagedCa } from './ca-files.js';
import type { Issuer } from './load-issuers.js';
import { lostKeysOf, type Revoker } from './lost-keys.js';
import { readRevokedCas, type RevokedCa, revokedCasFileName } from './revoked-cas.js';

/** What to type where a CA that was revoked is to go on. */
export const goesOnWithNewKey =
  'a CA that is revoked goes on with a new key only: certmill ca rekey, or certmill ca request --rekeys';

/**
 * CONFLICT where the CA that is to sign has revoked the CA of the key, for whatever reason, or another CA of its
 * folder has, because the key is lost: it does not come back. One certificate that was retired alone ends no CA.
 * @param keySha256 as `keySha256Of`.
 */
export function assertKeyNotRevoked(
  parent: Revoker & Pick<Issuer, 'name'>,
  keySha256: string,
): void {
  const own =
    parent.revokedCas.find((entry) => entry.keySha256 === keySha256) ??
    lostKeysOf(parent).get(keySha256);
  if (own !== undefined) throw keyIsRevoked(parent.name, own);
  const folder = dirname(parent.directory);
  for (const name of readdirSync(folder).filter(isName)) {
    const lost = lostKeysOf(revokerIn(join(folder, name), name)).get(keySha256);
    if (lost !== undefined) throw keyIsRevoked(name, lost);
  }
}

function keyIsRevoked(by: string, { subject, reason, revokedAtMs }: RevokedCa): CertmillError {
  const at = new Date(revokedAtMs).toISOString();
  return new CertmillError(
    'CONFLICT',
    `CA '${by}' has revoked ${subject} with this key (${reason}, at ${at}), and none is signed over it again; ` +
      goesOnWithNewKey,
  );
}

function revokerIn(directory: string, name: string): Revoker {
  const file = join(directory, revokedCasFileName);
  try {
    return { directory, revokedCas: readRevokedCas(readFileSync(file, 'utf8')) };
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') || isErrorCode(cause, 'ENOTDIR')) {
      return { directory, revokedCas: [] };
    }
    throw damagedCa(name, `${file} cannot be read or is damaged`, cause);
  }
}
