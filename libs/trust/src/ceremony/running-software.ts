import { hash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { canonicalJson, CertmillError } from '@certmill/domain';
import { exists, filesBelow } from './ceremony-folder.js';
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
 * The packages that a program can load: its own, and all that they depend on, by name. Of each the
 * SHA-256 of the canonical list of (path, SHA-256) of its code: JavaScript, modules in other languages,
 * and JSON. INVALID_INPUT where the folder is no package.
 * @param directory of the program's package.
 */
export async function installedPackages(directory: string): Promise<readonly PackageFacts[]> {
  const found = new Map<string, PackageFacts>();
  const waiting = [await realpath(directory)];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue;
    const { name, version, dependencies, optionalDependencies } = await readManifest(next);
    found.set(next, { name, version, sha256: await packageHash(next) });
    for (const wanted of Object.keys({ ...dependencies, ...optionalDependencies })) {
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

async function packageHash(directory: string): Promise<string> {
  const files: Record<string, string> = {};
  for (const file of await filesBelow(directory)) {
    if (isCode(file)) files[file] = sha256Of(await readFile(join(directory, file)));
  }
  return hash('sha256', canonicalJson(files), 'hex');
}

/** Not those of packages inside it, which have an entry of their own, nor tests. */
function isCode(file: string): boolean {
  return (
    /\.(?:[cm]?js|node|wasm|json)$/.test(file) &&
    !/(?:^|\/)node_modules\//.test(file) &&
    !/\.(?:spec|bench|conformance)\.js$/.test(file)
  );
}

function keyOf({ name, version, sha256 }: PackageFacts): string {
  return `${name} ${version} ${sha256}`;
}
