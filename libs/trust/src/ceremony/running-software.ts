import { hash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { z } from 'zod';
import { canonicalJson, CertmillError } from '@certmill/domain';
import { exists } from './ceremony-folder.js';
import { type MachineFacts, type PackageFacts, sha256Of } from './ceremony-record.js';

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
 * The packages that a program can load by name: its own, and all that they declare as dependencies,
 * optional and peer ones too, as far as they are installed. Of each the SHA-256 of the canonical list of
 * (path, SHA-256) of its files (`packageHash`). INVALID_INPUT where the folder is no package, and where a
 * link leads to nothing that can be read.
 * @param directory of the program's package.
 */
export async function installedPackages(directory: string): Promise<readonly PackageFacts[]> {
  const found = new Map<string, PackageFacts>();
  const waiting = [await realpath(directory)];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue;
    const { name, version, ...declared } = await readManifest(next);
    found.set(next, { name, version, sha256: packageHash(next) });
    const { dependencies, optionalDependencies, peerDependencies } = declared;
    for (const wanted of Object.keys({
      ...dependencies,
      ...optionalDependencies,
      ...peerDependencies,
    })) {
      const at = await installedAt(wanted, next);
      if (at !== undefined) waiting.push(at);
    }
  }
  return [...found.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

/** One hash of all of them. */
export function codeHash(packages: readonly PackageFacts[]): string {
  return hash('sha256', canonicalJson(packages), 'hex');
}

/** SHA-256 of the program that runs the code. */
export async function nodeHash(): Promise<string> {
  return sha256Of(await readFile(process.execPath));
}

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
  peerDependencies: z.record(z.string(), z.string()).optional(),
});

async function readManifest(directory: string): Promise<z.infer<typeof manifestSchema>> {
  const file = join(directory, 'package.json');
  try {
    return manifestSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `${file} cannot be read`, { cause });
  }
}

/** As node finds it; undefined where it is not installed: an optional one. */
async function installedAt(name: string, from: string): Promise<string | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (await exists(join(candidate, 'package.json'))) return realpath(candidate);
    if (dirname(folder) === folder) return undefined;
  }
}

/**
 * Every regular file below the folder, whatever its name is, and what links lead to under the path of the
 * link. Left out is what lies in `node_modules`: packages, which have an entry of their own where they are
 * declared. Of a checkout, a package below no `node_modules`, the notes of the compiler are left out too.
 * Read without promises: of the tens of thousands of files they would make seconds out of one.
 */
function packageHash(directory: string): string {
  const isCheckout = !directory.split(sep).includes(packagesFolderName);
  const files: Record<string, string> = {};
  const waiting = [{ path: '', above: [] as readonly string[] }];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const place = realpathSync(join(directory, folder.path));
    // A link to a folder that it lies in: all of that is in the list.
    if (folder.above.includes(place)) continue;
    const above = [...folder.above, place];
    for (const entry of readdirSync(place, { withFileTypes: true })) {
      const { name } = entry;
      if (name === packagesFolderName || (isCheckout && name.endsWith('.tsbuildinfo'))) continue;
      const path = folder.path === '' ? name : `${folder.path}/${name}`;
      const file = join(place, name);
      const found = entry.isSymbolicLink() ? targetOf(file) : entry;
      if (found.isDirectory()) waiting.push({ path, above });
      if (found.isFile()) files[path] = sha256Of(readFileSync(file));
    }
  }
  return hash('sha256', canonicalJson(files), 'hex');
}

const packagesFolderName = 'node_modules';

function targetOf(link: string): Stats {
  try {
    return statSync(link);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `${link} cannot be read`, { cause });
  }
}

function keyOf({ name, version, sha256 }: PackageFacts): string {
  return `${name} ${version} ${sha256}`;
}
