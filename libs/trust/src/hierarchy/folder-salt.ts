import { readdir, readFile } from 'node:fs/promises';
import { isErrorCode } from '../atomic-file.js';
import { saltOf } from '../keys/encrypted-private-key.js';
import { caDirectoryOf, issuerPathsOf } from './issuer-paths.js';

/** CAs whose key lies elsewhere, or was encrypted by another program, have none to give. */
const foldersTried = 16;

/**
 * The salt that the keys of a data folder have in common; undefined where there is none yet. One
 * passphrase opens them all, so a salt for each protects nothing more, but a service that signs for ten
 * thousand issuers would derive a key for each, 0.2 s of a CPU at a time.
 */
export async function saltOfFolder(dataDirectory: string): Promise<Uint8Array | undefined> {
  for (const name of await caNames(dataDirectory)) {
    const salt = await saltOfKeyFile(issuerPathsOf(dataDirectory, name).keyFile);
    if (salt !== undefined) return salt;
  }
  return undefined;
}

async function caNames(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(caDirectoryOf(dataDirectory), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
    return folders
      .map(({ name }) => name)
      .sort()
      .slice(0, foldersTried);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

async function saltOfKeyFile(keyFile: string): Promise<Uint8Array | undefined> {
  try {
    return saltOf(await readFile(keyFile, 'utf8'));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}
