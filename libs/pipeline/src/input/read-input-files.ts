import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { InputItem } from './input-item.js';
import { emptyFile, readInput, type ReadInputOptions } from './read-input.js';
import { hasRequestExtension } from './sniff-format.js';

export interface ReadInputsOptions extends Pick<ReadInputOptions, 'limits' | 'onSkipped'> {
  /** What `-` reads. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Sources are relative to it. */
  readonly workingDirectory: string;
}

/** One thing to read, named on the command line or found in a folder. */
interface InputFile {
  readonly path: string;
  readonly source: string;
}

/** Fewer system calls a file than the default of 64 KiB, still little to hold. */
const readAheadBytes = 256 * 1024;

/**
 * The requests of files, folders and standard input (`-`), in the order given. Folders are walked
 * in depth, sorted by name; hidden files and names that do not end like requests are passed over,
 * as keys often lie beside their requests. A file named in person is always read. A file without a
 * request is one rejection.
 * Faults: INVALID_INPUT naming the path that cannot be read, and those of readInput.
 */
export async function* readInputs(
  paths: readonly string[],
  options: ReadInputsOptions,
): AsyncGenerator<readonly InputItem[]> {
  for (const path of paths) {
    if (path === '-') yield* readOne(options.stdin, 'stdin', '-', options);
    else {
      for await (const file of filesOf(path, options)) {
        const stream = createReadStream(file.path, { highWaterMark: readAheadBytes });
        yield* readOne(stream as AsyncIterable<Uint8Array>, file.source, file.path, options);
      }
    }
  }
}

async function* readOne(
  stream: AsyncIterable<Uint8Array>,
  source: string,
  path: string,
  options: ReadInputsOptions,
): AsyncGenerator<readonly InputItem[]> {
  const { limits, onSkipped } = options;
  let isEmpty = true;
  try {
    const items = readInput(stream, {
      sourceName: source,
      fileName: basename(path),
      ...(limits === undefined ? {} : { limits }),
      ...(onSkipped === undefined ? {} : { onSkipped }),
    });
    for await (const batch of items) {
      isEmpty = false;
      yield batch;
    }
  } catch (error) {
    throw readFault(source, error);
  }
  if (isEmpty) yield [emptyFile(source)];
}

async function* filesOf(path: string, options: ReadInputsOptions): AsyncGenerator<InputFile> {
  const source = relative(options.workingDirectory, path) || path;
  const stats = await stat(path).catch((error: unknown) => {
    throw readFault(source, error);
  });
  if (stats.isDirectory()) yield* filesIn(path, options);
  else yield { path, source };
}

async function* filesIn(folder: string, options: ReadInputsOptions): AsyncGenerator<InputFile> {
  const source = relative(options.workingDirectory, folder) || '.';
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw readFault(source, error);
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path, options);
    // A link to a file is followed, one to a folder is not: it could lead in circles.
    else if (hasRequestExtension(entry.name) && (await isFile(path))) {
      yield { path, source: relative(options.workingDirectory, path) };
    } else options.onSkipped?.(relative(options.workingDirectory, path));
  }
}

async function isFile(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  // A dangling link is read all the same, and so fails by its name.
  return stats?.isFile() ?? true;
}

/**
 * System errors carry paths and numbers that are of no help: the code is enough beside the name.
 */
function readFault(source: string, error: unknown): unknown {
  if (error instanceof CertmillError) {
    return new CertmillError(error.code, `${source}: ${error.message}`, { cause: error });
  }
  const isSystemError =
    typeof error === 'object' && error !== null && 'syscall' in error && 'code' in error;
  if (!isSystemError) return error;
  const reason =
    error.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${String(error.code)})`;
  return new CertmillError('INVALID_INPUT', `${source}: ${reason}`, { cause: error });
}
