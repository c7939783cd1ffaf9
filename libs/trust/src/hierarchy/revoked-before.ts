import { join } from 'node:path';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { Issuer } from './load-issuers.js';
import { keysRevokedUnder, lostKeysIn, recordIn } from './revocations-in-folder.js';
import { isKeyLost, type RevokedCa, revokedBeforeFileName, revokedCasText } from './revoked-cas.js';

/** What a root with a new key has to know of the one before: each key once, that it is lost before any other reason. */
export function revokedBefore(
  dataDirectory: string,
  { subjectDer }: Pick<Issuer, 'subjectDer'>,
): readonly RevokedCa[] {
  const keys = new Map([
    ...keysRevokedUnder(dataDirectory, subjectDer),
    ...lostKeysIn(dataDirectory),
  ]);
  return [...keys.values()].map(({ entry }) => entry);
}

/** Adds to what a root knows of the one before; nothing that it knows already is taken away. */
export async function addRevokedBefore(
  root: Pick<Issuer, 'name' | 'directory'>,
  added: readonly RevokedCa[],
): Promise<void> {
  const file = join(root.directory, revokedBeforeFileName);
  const known = new Map(recordIn(file, root.name).map((entry) => [entry.keySha256, entry]));
  const fresh = added.filter((entry) => {
    const before = known.get(entry.keySha256);
    return before === undefined || (isKeyLost(entry) && !isKeyLost(before));
  });
  if (fresh.length === 0) return;
  const all = new Map([...known, ...fresh.map((entry) => [entry.keySha256, entry] as const)]);
  await writeFileAtomically(file, revokedCasText([...all.values()]), publicFileMode);
}
