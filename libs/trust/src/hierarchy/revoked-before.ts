import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import type { Issuer } from './load-issuers.js';
import { keysRevokedUnder, lostKeysIn, recordIn } from './revocations-in-folder.js';
import {
  isKeyLost,
  readRevokedCas,
  type RevokedCa,
  revokedBeforeFileName,
  revokedCasText,
} from './revoked-cas.js';

/** A key that a root signs nothing over, whatever certificate it was revoked with. */
export type RevokedKey = RevokedCa & Required<Pick<RevokedCa, 'keySha256'>>;

/** What a root with a new key has to know of the one before: each key once, that it is lost before any other reason. */
export function revokedBefore(
  dataDirectory: string,
  { subjectDer }: Pick<Issuer, 'subjectDer'>,
): readonly RevokedKey[] {
  const keys = new Map([
    ...keysRevokedUnder(dataDirectory, subjectDer),
    ...lostKeysIn(dataDirectory),
  ]);
  return [...keys.values()].map(({ entry }) => entry);
}

/** `revokedBefore` as a file that is carried to the folder of the new root. */
export function revokedBeforeText(keys: readonly RevokedKey[]): string {
  return revokedCasText(keys);
}

/**
 * What `revokedBeforeText` wrote. INVALID_INPUT for anything else, such as the record of what a CA has revoked, where some
 * certificates stand without their keys.
 */
export function readRevokedBefore(text: string, file: string): readonly RevokedKey[] {
  let entries: readonly RevokedCa[];
  try {
    entries = readRevokedCas(text);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `${file} holds no revoked keys: ${howMade}`, {
      cause,
    });
  }
  return entries.map((entry) => {
    const { keySha256, subject } = entry;
    if (keySha256 !== undefined) return { ...entry, keySha256 };
    throw new CertmillError('INVALID_INPUT', `${file} has no key of ${subject}: ${howMade}`);
  });
}

const howMade = "it is made by 'certmill ca revoked' in the folder of the root before";

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
