import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isErrorCode } from '../atomic-file.js';
import { checkedFileName, digestOfChain } from './ca-files.js';
import type { IssuerPaths } from './issuer-paths.js';

/**
 * The file that makes it doubtful that a CA's certificate is its key's: the key was held against the chain when it
 * was written, and the file is not what was written. No key and no passphrase is needed, so a chain that was
 * put there with its digest is not found. Undefined where nothing is known.
 */
export function chainDoubtOf({
  directory,
  chainFile,
  certificateFile,
}: Pick<IssuerPaths, 'directory' | 'chainFile' | 'certificateFile'>): string | undefined {
  const chain = textOf(chainFile);
  const digest = textOf(join(directory, checkedFileName));
  if (digest !== undefined && digest.trim() !== digestOfChain(chain ?? '')) {
    return basename(chainFile);
  }
  const certificate = textOf(certificateFile);
  const isFirst = certificate === undefined || chain?.startsWith(certificate.trim()) !== false;
  return isFirst ? undefined : basename(certificateFile);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
