import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { CertmillError } from '@certmill/domain';

/** INVALID_INPUT where the file cannot be read. */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}

/**
 * What was approved or recorded by its hash, by path: a file that is changed afterwards is not what this
 * process reads. Written by `pinnedBytes`.
 */
const pinned = new Map<string, Buffer>();

/** The bytes of a file, which are those of every later look at it. INVALID_INPUT likewise. */
export async function pinnedBytes(file: string): Promise<Buffer> {
  const bytes = await readBytes(file);
  pinned.set(resolve(file), bytes);
  return bytes;
}

/** A file that is read from its begin to its end. */
export function streamOf(file: string): Readable {
  const known = pinned.get(resolve(file));
  return known === undefined ? createReadStream(file) : Readable.from([known]);
}

/** INVALID_INPUT likewise. */
export async function readBytes(file: string): Promise<Buffer> {
  const known = pinned.get(resolve(file));
  if (known !== undefined) return Buffer.from(known);
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}
