import { readdirSync, readFileSync } from 'node:fs';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { CertmillError, type StatusAddresses } from '@certmill/domain';
import {
  type CaDescription,
  descriptionFileName,
  readDescription,
  readRetirement,
  type Retirement,
  retirementFileName,
} from './ca-description.js';
import { type CaSlot, readSlot, slotFileName } from './ca-slot.js';
import { type IssuerPaths, keyFileName } from './issuer-paths.js';
import { readRevokedCas, type RevokedCa, revokedCasFileName } from './revoked-cas.js';
import { readStatus, statusFileName } from './status-file.js';

export const checkedFileName = 'chain.sha256';

/** What lies in the folder of a CA, but its key, which is only looked for. */
export interface CaFiles {
  readonly chainPem: string;
  /** The chain was checked when it was written, and is still what was written. */
  readonly isChecked: boolean;
  readonly hasKey: boolean;
  /** The module that has its key. */
  readonly slot?: CaSlot;
  readonly status?: StatusAddresses;
  readonly description?: CaDescription;
  readonly retirement?: Retirement;
  /** CA certificates that this CA has revoked. */
  readonly revokedCas: readonly RevokedCa[];
}

/**
 * Reads the folder of a CA. Synchronous: a start reads thousands of them, and each call that goes
 * through the thread pool costs four times as much. Throws FAULT_STORE_CORRUPT with the file.
 */
export function readCaFiles(paths: IssuerPaths, name: string): CaFiles {
  let names: readonly string[];
  try {
    names = readdirSync(paths.directory);
  } catch (cause) {
    throw damagedCa(name, `${paths.directory} cannot be read`, cause);
  }
  const read = <T>(fileName: string, reader: (text: string) => T): T | undefined => {
    if (!names.includes(fileName)) return undefined;
    const file = join(paths.directory, fileName);
    try {
      return reader(readFileSync(file, 'utf8'));
    } catch (cause) {
      throw damagedCa(name, `${file} cannot be read or is damaged`, cause);
    }
  };
  const slot = read(slotFileName, readSlot);
  const status = read(statusFileName, readStatus);
  const description = read(descriptionFileName, readDescription);
  const retirement = read(retirementFileName, readRetirement);
  const chainPem = chainPemOf(paths, name);
  return {
    chainPem,
    isChecked: read(checkedFileName, (text) => text.trim() === digestOfChain(chainPem)) ?? false,
    hasKey: names.includes(keyFileName),
    ...(slot === undefined ? {} : { slot }),
    ...(status === undefined ? {} : { status }),
    ...(description === undefined ? {} : { description }),
    ...(retirement === undefined ? {} : { retirement }),
    revokedCas: read(revokedCasFileName, readRevokedCas) ?? [],
  };
}

function chainPemOf({ chainFile }: IssuerPaths, name: string): string {
  try {
    return readFileSync(chainFile, 'utf8');
  } catch (cause) {
    throw damagedCa(name, `${chainFile} cannot be read`, cause);
  }
}

/** What the file of a chain that was checked holds: a start need not verify ten thousand signatures. */
export function digestOfChain(chainPem: string): string {
  return hash('sha256', chainPem);
}

export function damagedCa(name: string, reason: string, cause?: unknown): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `issuer '${name}': ${reason}`, { cause });
}
