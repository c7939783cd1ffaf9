import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { isErrorCode, publicFileMode, syncDirectory, writeFileAtomically } from '../atomic-file.js';
import { descriptionFileName, retirementFileName } from './ca-description.js';
import { checkedFileName } from './ca-files.js';
import { slotFileName } from './ca-slot.js';
import { CasByKey } from './cas-by-key.js';
import { withCaLocks } from './folder-lock.js';
import { ImportedCrlFolder, importedCrlsFolderName } from './imported-crls.js';
import { caCrlFileName } from './ca-crl-time.js';
import { removeUnfinished } from './issuer-folder.js';
import {
  alternativeFolderName,
  caDirectoryOf,
  delegatesFolderName,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
  keyFileName,
} from './issuer-paths.js';
import { type Issuer, loadAuthorities, readAuthority } from './load-issuers.js';
import { assertOwnNames } from './own-name.js';
import { revokedBeforeFileName, revokedCasFileName } from './revoked-cas.js';
import { assertServedNameFree } from './served-name.js';
import { statusFileName } from './status-file.js';
import {
  assertListsKept,
  assertNoImportedCrlTakenBack,
  assertNoneTakenBack,
} from './taken-back.js';

/** All that is public of a CA, by name: what is not known here may be a key. */
const publicFiles: readonly string[] = [
  ...['chain.pem', checkedFileName, 'certificate.pem', descriptionFileName, statusFileName],
  ...[retirementFileName, revokedCasFileName, revokedBeforeFileName, caCrlFileName],
];
/** Certificates, a file each. */
const publicFolders: readonly string[] = [
  ...[issuedFolderName, formerFolderName, alternativeFolderName, delegatesFolderName],
];
const keyFiles: readonly string[] = [keyFileName, 'key.sealed.json', slotFileName];
const privateKeyBegin = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;

export interface ExportOptions {
  readonly directory: string;
  /** A folder that is not there, or has what was exported before. */
  readonly into: string;
}

export interface ExportedAuthorities {
  readonly cas: readonly string[];
  /** Those that were not there, or not so. */
  readonly filesWritten: number;
}

/**
 * All CAs of a data folder without their keys, for a role that signs nothing: certificates, chains, CRLs, what
 * they are for, what is retired and revoked. A CA that is new there appears as a whole; of one that is there each file
 * changes at once or not at all, so that a server may run on it. What is gone here stays there. Killed, it is
 * done again. NOT_FOUND where there is no CA; INVALID_INPUT where both are one folder; CONFLICT, and nothing is
 * written, where the other folder has the key of one of the CAs, another CA or its CRL under one of the names, or another
 * CA of a subject, or knows what these files would take back: a revocation, a lost key, a later CRL or a later chain.
 */
export async function exportAuthorities(options: ExportOptions): Promise<ExportedAuthorities> {
  const { directory, into } = options;
  if (resolve(directory) === resolve(into)) {
    throw new CertmillError('INVALID_INPUT', 'a folder is exported into another one');
  }
  if ((await loadAuthorities(directory)).length === 0) {
    throw new CertmillError('NOT_FOUND', `${directory} has no CA`);
  }
  return withCaLocks(into, directory, async () => {
    const cas = await loadAuthorities(directory);
    // Read once: there may be thousands.
    const known = { cas: new CasByKey(into), crls: new ImportedCrlFolder(into) };
    for (const ca of cas) assertTakes(into, ca, cas, known);
    assertNoImportedCrlTakenBack(into, directory);
    assertListsKept(into, directory, cas);
    assertOwnNames(into, cas);
    for (const ca of cas) assertServedNameFree(into, ca.name, ca);
    let filesWritten = await writeFiles(await filesIn(directory, importedCrlsFolderName), into);
    for (const ca of cas) filesWritten += await exportAuthority(ca, into);
    return { cas: cas.map(({ name }) => name), filesWritten };
  });
}

/** A file by its path in the folder that it is of. */
interface PublicFile {
  readonly path: string;
  readonly content: Uint8Array;
}

async function exportAuthority(ca: Issuer, into: string): Promise<number> {
  const files = await publicFilesOf(ca);
  const { directory } = issuerPathsOf(into, ca.name);
  if (existsSync(directory)) return writeFiles(files, directory);
  const parent = caDirectoryOf(into);
  await removeUnfinished(parent, ca.name);
  const temporary = join(parent, `.${ca.name}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const written = await writeFiles(files, temporary);
    await rename(temporary, directory);
    await syncDirectory(parent);
    return written;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw cause;
  }
}

async function publicFilesOf({ directory }: Issuer): Promise<readonly PublicFile[]> {
  const files: PublicFile[] = [];
  for (const folder of publicFolders) files.push(...(await filesIn(directory, folder)));
  for (const path of publicFiles) {
    const content = await contentOrNone(join(directory, path));
    if (content !== undefined) files.push({ path, content });
  }
  return files;
}

/** The certificates or CRLs of a folder; what was not written to its end has another name. */
async function filesIn(directory: string, folder: string): Promise<readonly PublicFile[]> {
  const place = join(directory, folder);
  if (!existsSync(place)) return [];
  const names = (await readdir(place)).filter((name) => /^[^.].*\.pem$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({
      path: join(folder, name),
      content: await readFile(join(place, name)),
    })),
  );
}

async function writeFiles(files: readonly PublicFile[], folder: string): Promise<number> {
  let written = 0;
  for (const { path, content } of files) {
    const file = join(folder, path);
    if (privateKeyBegin.test(Buffer.from(content).toString('latin1'))) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `${path} holds a private key: nothing is made of it`,
      );
    }
    const there = await contentOrNone(file);
    if (there !== undefined && Buffer.compare(there, content) === 0) continue;
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFileAtomically(file, content, publicFileMode);
    written += 1;
  }
  return written;
}

/** @param known CAs of the folder, and the CRLs that it has taken in. */
function assertTakes(
  into: string,
  ca: Issuer,
  cas: readonly Issuer[],
  known: { readonly cas: CasByKey; readonly crls: ImportedCrlFolder },
): void {
  const { directory } = issuerPathsOf(into, ca.name);
  const folders = [ca.name, ...known.cas.namesOf(ca)].map(
    (name) => issuerPathsOf(into, name).directory,
  );
  const key = folders
    .flatMap((folder) => keyFiles.map((name) => join(folder, name)))
    .find((file) => existsSync(file));
  if (key !== undefined) {
    throw new CertmillError(
      'CONFLICT',
      `${key} leads to a key: a folder with the key of a CA takes no export of it`,
    );
  }
  const there = readAuthority(into, ca.name, undefined, known.crls, known.cas);
  if (there === undefined) return;
  if (Buffer.compare(there.spkiDer, ca.spkiDer) !== 0) {
    throw new CertmillError('CONFLICT', `${directory} is of another CA '${ca.name}'`);
  }
  assertNoneTakenBack(there, ca, cas);
}

async function contentOrNone(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}
