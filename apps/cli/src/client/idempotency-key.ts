import { hash, randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CertmillError } from '@certmill/domain';

/** Characters of hex: 128 bits name an upload without a chance of two alike. */
const keyLength = 32;

/**
 * The key that the same inputs get again, so that a second run resumes the first: a hash of path,
 * size and time of each file. Standard input has no name: its key is random.
 */
export async function idempotencyKeyOf(inputs: readonly string[]): Promise<string> {
  if (inputs.includes('-')) return randomUUID();
  const marks: string[] = [];
  for (const input of inputs) await mark(resolve(input), marks);
  return `files-${hash('sha256', JSON.stringify(marks), 'hex').slice(0, keyLength)}`;
}

async function mark(path: string, marks: string[]): Promise<void> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new CertmillError('INVALID_INPUT', `cannot read ${path}`, { cause });
  });
  if (!stats.isDirectory()) {
    marks.push(`${path}\n${String(stats.size)}\n${String(stats.mtimeMs)}`);
    return;
  }
  const names = await readdir(path);
  for (const name of names.sort()) if (!name.startsWith('.')) await mark(join(path, name), marks);
}
