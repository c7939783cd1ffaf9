import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const keyLength = 8;

/** Stands for the content of files in the name of what is made from them. */
export async function contentKey(...files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file)).update('\0');
  return hash.digest('hex').slice(0, keyLength);
}
