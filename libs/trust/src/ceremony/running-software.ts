import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson } from '@certmill/domain';
import { filesBelow } from './ceremony-folder.js';
import { type MachineFacts, sha256Of } from './ceremony-record.js';

/** Names of the network interfaces that are up and lead off this machine. */
export function outwardInterfaces(): readonly string[] {
  return Object.entries(networkInterfaces())
    .filter(([, addresses]) => addresses?.some(({ internal }) => !internal))
    .map(([name]) => name);
}

/** What a transcript says of the machine: nothing that identifies it. */
export function machineFacts(): MachineFacts {
  return {
    platform: process.platform,
    architecture: process.arch,
    node: process.versions.node,
    openssl: process.versions.openssl,
    networkInterfaces: outwardInterfaces().length,
  };
}

/**
 * SHA-256 over the JavaScript that runs: of the canonical list of (package/path, SHA-256).
 * @param folders the folder of compiled code of each package, by the package's name.
 */
export async function codeHash(folders: ReadonlyMap<string, string>): Promise<string> {
  const files: Record<string, string> = {};
  for (const [name, folder] of folders) {
    const found = (await filesBelow(folder)).filter(
      (file) => /\.[cm]?js$/.test(file) && !/\.(?:spec|bench|conformance)\.js$/.test(file),
    );
    for (const file of found)
      files[`${name}/${file}`] = sha256Of(await readFile(join(folder, file)));
  }
  return hash('sha256', canonicalJson(files), 'hex');
}

/** Folders of the libraries of others through whose hands secrets of a ceremony go, for `codeHash`. */
export function secretLibraries(): ReadonlyMap<string, string> {
  return new Map(
    ['shamir-secret-sharing', 'zod'].map((name) => [
      name,
      dirname(fileURLToPath(import.meta.resolve(name))),
    ]),
  );
}
