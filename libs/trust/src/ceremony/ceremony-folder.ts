import { constants } from 'node:fs';
import { access, lstat, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { randomBytes } from 'node:crypto';
import { canonicalJson, CertmillError } from '@certmill/domain';
import {
  isErrorCode,
  publicFileMode,
  secretFileMode,
  syncDirectory,
  writeFileAtomically,
} from '../atomic-file.js';
import type { CeremonyFile } from './ceremony-file.js';
import { type Effect, type FileRecord, sha256Of, type TranscriptEntry } from './ceremony-record.js';

/** In the folder of a step: what it did. */
export const entryFile = 'entry.json';

/** Records of ceremonies, a folder each, beside the CAs. */
export const ceremoniesFolderName = 'ceremonies';

/** Where a ceremony leaves what it makes: beside `ca/`, so that CAs are moved there in one go. */
export function ceremonyFolderOf(
  dataDirectory: string,
  { name, id }: Pick<CeremonyFile, 'name' | 'id'>,
): string {
  return join(dataDirectory, ceremoniesFolderName, `${name}-${id.slice(0, 8)}`);
}

/** The folder of one step, or of the beginning (0). */
export function stepFolderOf(folder: string, step: number, what: string): string {
  return join(folder, `${String(step).padStart(2, '0')}-${what}`);
}

/** What a step makes before it is committed: files in a folder that nobody looks at. */
export class StepStage {
  readonly outputs: FileRecord[] = [];
  readonly inputs: FileRecord[] = [];
  readonly effects: Effect[] = [];
  private readonly directory: string;
  private readonly dataDirectory: string;

  private constructor(directory: string, dataDirectory: string) {
    this.directory = directory;
    this.dataDirectory = dataDirectory;
  }

  /** Whatever a killed run left in the stage is gone. */
  static async open(stepFolder: string, dataDirectory: string): Promise<StepStage> {
    const directory = stageOf(stepFolder);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new StepStage(directory, dataDirectory);
  }

  /** A file for people to carry away. */
  async output(name: string, content: string | Uint8Array, isHandedOut = false): Promise<void> {
    const path = `outputs/${name}`;
    const file = await this.write(path, content, isHandedOut ? secretFileMode : publicFileMode);
    this.outputs.push({ ...file, path, ...(isHandedOut ? { isHandedOut: true as const } : {}) });
  }

  /** What went in, kept beside what came out of it. */
  async input(name: string, content: Uint8Array): Promise<void> {
    const path = `inputs/${name}`;
    this.inputs.push({ ...(await this.write(path, content, publicFileMode)), path });
  }

  /** A folder of the data folder that is not there yet. CONFLICT where it is. */
  async install(
    path: string,
    files: readonly { readonly name: string; readonly content: string | Uint8Array }[],
  ): Promise<void> {
    if (await exists(join(this.dataDirectory, path))) {
      throw new CertmillError('CONFLICT', `${path} is there already`);
    }
    const records: FileRecord[] = [];
    for (const { name, content } of files) {
      records.push({
        ...(await this.write(join('install', path, name), content, secretFileMode)),
        path: name,
      });
    }
    this.effects.push({ kind: 'install', path, files: records });
  }

  /** A file of the data folder, in the place of what is there now. */
  async put(path: string, content: string | Uint8Array): Promise<void> {
    const { sha256 } = await this.write(join('install', path), content, secretFileMode);
    const replaces = await fileHash(join(this.dataDirectory, path));
    this.effects.push({
      ...{ kind: 'put', path, sha256 },
      ...(replaces === undefined ? {} : { replaces }),
    });
  }

  /** A file of the data folder is to go for good. CONFLICT where it is a link. */
  async destroy(path: string): Promise<void> {
    const file = join(this.dataDirectory, path);
    if ((await lstat(file)).isSymbolicLink()) {
      throw new CertmillError('CONFLICT', `${path} is a link: put the file itself in its place`);
    }
    const content = await readFile(file);
    this.effects.push({
      kind: 'destroy',
      path,
      sha256: sha256Of(content),
      bytes: content.length,
    });
    content.fill(0);
  }

  /** The step is done: all of it is there, or nothing. */
  async commit(stepFolder: string, entry: TranscriptEntry): Promise<void> {
    await this.write(entryFile, `${canonicalJson(entry)}\n`, publicFileMode);
    await syncTree(this.directory);
    await rename(this.directory, stepFolder);
    await syncDirectory(dirname(stepFolder));
  }

  async abandon(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  private async write(
    path: string,
    content: string | Uint8Array,
    mode: number,
  ): Promise<Omit<FileRecord, 'path'>> {
    const file = join(this.directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFileAtomically(file, content, mode);
    return { sha256: sha256Of(content), bytes: Buffer.byteLength(content) };
  }
}

function stageOf(stepFolder: string): string {
  return `${stepFolder}.unfinished`;
}

/**
 * Does what a step was to change in the data folder, from its committed folder. What a killed run had
 * done already stays done. One line of evidence for each effect. CONFLICT where another command has
 * changed since what the step was made from.
 */
export async function applyEffects(
  dataDirectory: string,
  stepFolder: string,
  effects: readonly Effect[],
): Promise<readonly string[]> {
  const done: string[] = [];
  for (const effect of effects) done.push(await applyEffect(dataDirectory, stepFolder, effect));
  return done;
}

async function applyEffect(
  dataDirectory: string,
  stepFolder: string,
  effect: Effect,
): Promise<string> {
  const target = join(dataDirectory, effect.path);
  if (effect.kind === 'destroy') return destroyFile(target, stepFolder, effect);
  const source = join(stepFolder, 'install', effect.path);
  if (await exists(source)) {
    if (effect.kind === 'install' && (await exists(target))) {
      throw new CertmillError('CONFLICT', `${effect.path} was made by somebody else meanwhile`);
    }
    if (effect.kind === 'put' && (await fileHash(target)) !== effect.replaces) {
      throw changedSince(effect.path);
    }
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(source, target);
    await syncDirectory(dirname(target));
    await syncDirectory(dirname(source));
  } else if (!(await exists(target))) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${effect.path} is lost`);
  }
  return effect.kind === 'install'
    ? `${effect.path} is there with ${effect.files.map(({ path }) => path).join(', ')}`
    : `${effect.path} is there`;
}

function changedSince(path: string): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `${path} was changed by another command after this step was made from it: this ` +
      'ceremony cannot go on; do this step and those after it in a new one',
  );
}

/**
 * Takes the file that was approved into the step's folder, and overwrites it there: a run that was killed
 * goes on with that one, whatever lies in its place now. Its name stays in the folder, without content,
 * for that it was this step that destroyed it. CONFLICT, and nothing is done to it, where another file
 * lies in its place.
 */
async function destroyFile(
  file: string,
  stepFolder: string,
  { path, bytes, sha256 }: Extract<Effect, { readonly kind: 'destroy' }>,
): Promise<string> {
  const what = `${path}, ${String(bytes)} octets of SHA-256 ${sha256},`;
  const tombstone = join(stepFolder, 'destroyed', path);
  const isTaken = await exists(tombstone);
  if (isTaken) await overwrite(tombstone);
  const found = await fileHash(file);
  if (found === undefined) {
    return isTaken
      ? `${what} was overwritten and removed`
      : `${what} was not there any more: it was not this step that removed it`;
  }
  if (found !== sha256) throw changedSince(path);
  await mkdir(dirname(tombstone), { recursive: true, mode: 0o700 });
  await syncTree(stepFolder);
  await rename(file, tombstone);
  await syncDirectory(dirname(tombstone));
  await syncDirectory(dirname(file));
  await overwrite(tombstone);
  return `${what} was overwritten and removed`;
}

/**
 * Overwrites with random octets, makes that durable, and leaves nothing of the content. On media that
 * write elsewhere (flash, copy-on-write file systems) former blocks may stay: why keys lie there
 * encrypted, and the runbook asks for the medium too.
 */
async function overwrite(file: string): Promise<void> {
  const handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    await handle.writeFile(randomBytes(size));
    await handle.sync();
    await handle.truncate(0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Every file below a folder, with its path in it, sorted. */
export async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

async function syncTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (entry.isDirectory()) await syncDirectory(join(entry.parentPath, entry.name));
  }
  await syncDirectory(directory);
}

/** SHA-256 of a file; undefined where there is none. */
async function fileHash(file: string): Promise<string | undefined> {
  try {
    return sha256Of(await readFile(file));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.F_OK);
    return true;
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return false;
    throw cause;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return (await exists(path)) && (await stat(path)).isDirectory();
}
