import { readFile } from 'node:fs/promises';
import { CertmillError } from '@certmill/domain';

/** INVALID_INPUT where the file cannot be read. */
export async function readText(file: string): Promise<string> {
  return (await readBytes(file)).toString('utf8');
}

/** INVALID_INPUT likewise. */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}
