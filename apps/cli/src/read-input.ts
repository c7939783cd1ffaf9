import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { CertmillError } from '@certmill/domain';

/** Of the largest file that is held whole: a backup of keys, a transcript. */
const maxBytes = 256 * 1024 * 1024;

/** INVALID_INPUT where the file cannot be read, or has more octets. */
export async function readText(file: string, atMost = maxBytes): Promise<string> {
  return (await readBytes(file, atMost)).toString('utf8');
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
export async function readBytes(file: string, atMost = maxBytes): Promise<Buffer> {
  const known = pinned.get(resolve(file));
  if (known !== undefined) return Buffer.from(known);
  const chunks: Buffer[] = [];
  let octets = 0;
  try {
    // Not by its size: a device or a pipe has none.
    for await (const chunk of createReadStream(file, { end: atMost })) {
      chunks.push(chunk as Buffer);
      octets += (chunk as Buffer).length;
    }
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
  if (octets <= atMost) return Buffer.concat(chunks);
  const limit = Math.floor(atMost / (1024 * 1024));
  throw new CertmillError('INVALID_INPUT', `${file} has more than ${String(limit)} MiB`);
}
