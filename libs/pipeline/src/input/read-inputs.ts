import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { InputItem, InputLimits } from './input-item.js';
import { readItems } from './read-items.js';
import { hasRequestExtension } from './sniff-format.js';

/** A file to read, with what tells it from another version of itself. */
export interface InputFile {
  /** As given or found: shown as the source of its requests. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** `-` stands for standard input. */
export const standardInput = '-';

/**
 * The files that paths stand for: a file itself, a folder's files of requests (recursively, sorted,
 * hidden ones left out). Faults: INVALID_INPUT names a path that cannot be read or a folder without any.
 */
export async function listInputs(paths: readonly string[]): Promise<readonly InputFile[]> {
  const files: InputFile[] = [];
  for (const path of paths) {
    if (path === standardInput) {
      files.push({ path, bytes: 0, modifiedMs: 0 });
      continue;
    }
    const before = files.length;
    await collect(path, true, files);
    if (files.length === before) {
      throw new CertmillError(
        'INVALID_INPUT',
        `${path} holds no file of requests (.csr, .pem, .der, .p10, .req, .ndjson, .jsonl, .csv, .tar; also .gz, .zst)`,
      );
    }
  }
  return files;
}

async function collect(path: string, isNamed: boolean, files: InputFile[]): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) {
      const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
      for (const name of names) await collect(join(path, name), false, files);
    } else if (found.isFile() && (isNamed || hasRequestExtension(path))) {
      files.push({ path, bytes: found.size, modifiedMs: Math.round(found.mtimeMs) });
    }
  } catch (cause) {
    if (cause instanceof CertmillError) throw cause;
    throw new CertmillError('INVALID_INPUT', `cannot read ${path}`, { cause });
  }
}

export interface ReadInputsOptions {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly limits?: InputLimits;
}

/** The requests of files, one after the other. Faults: INVALID_INPUT names the file. */
export async function* readInputs(
  files: readonly InputFile[],
  options: ReadInputsOptions,
): AsyncGenerator<readonly InputItem[]> {
  const { stdin, limits } = options;
  const common = limits === undefined ? {} : { limits };
  for (const { path } of files) {
    if (path === standardInput) {
      yield* readItems(stdin, common);
      continue;
    }
    try {
      const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
      yield* readItems(stream, { ...common, fileName: path, prefix: path });
    } catch (cause) {
      const reason = cause instanceof CertmillError ? `: ${cause.message}` : ' cannot be read';
      const code = cause instanceof CertmillError ? cause.code : 'INVALID_INPUT';
      throw new CertmillError(code, `${path}${reason}`, { cause });
    }
  }
}
