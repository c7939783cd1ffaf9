import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { createFileAtomically, isErrorCode, secretFileMode } from '../atomic-file.js';

/** Where the passphrase of the CA keys is; what travels to a worker instead of the passphrase. */
export type PassphraseSource = { readonly file: string } | { readonly environmentVariable: string };

export const passphraseFileVariable = 'CERTMILL_CA_PASSPHRASE_FILE';
export const passphraseVariable = 'CERTMILL_CA_PASSPHRASE';

export interface PassphraseOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The passphrase file of the data folder (`developmentPassphraseFileOf`). */
  readonly developmentFile: string;
  /** Makes the development file where nothing else is given: for `ca init` and `demo` only. */
  readonly createDevelopmentFile?: boolean;
  /** Receives the loud note about a new development file. */
  readonly warn?: (message: string) => void;
}

/**
 * Finds the passphrase: CERTMILL_CA_PASSPHRASE_FILE, then CERTMILL_CA_PASSPHRASE, then the
 * development file, which is made on demand. Throws CONFIG_INVALID where there is none.
 */
export async function findPassphrase(options: PassphraseOptions): Promise<PassphraseSource> {
  const { environment, developmentFile } = options;
  const file = environment[passphraseFileVariable];
  if (file !== undefined && file !== '') return { file };
  const inline = environment[passphraseVariable];
  if (inline !== undefined && inline !== '') return { environmentVariable: passphraseVariable };
  if (await exists(developmentFile)) return { file: developmentFile };
  if (options.createDevelopmentFile !== true) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `no passphrase for the keys of CAs and OCSP responders: set ${passphraseFileVariable} or ${passphraseVariable}`,
    );
  }
  await mkdir(dirname(developmentFile), { recursive: true, mode: 0o700 });
  const random = `${randomBytes(24).toString('base64url')}\n`;
  if (await createFileAtomically(developmentFile, random, secretFileMode)) {
    options.warn?.(
      `DEVELOPMENT ONLY: the passphrase of the CA keys was made at random and lies beside them, ` +
        `in ${developmentFile}. Whoever reads that folder can sign certificates. In production ` +
        `set ${passphraseFileVariable} to a file elsewhere.`,
    );
  }
  return { file: developmentFile };
}

/** Reads the passphrase; a line end after it is not part of it. CONFIG_INVALID where it is empty. */
export async function readPassphrase(
  source: PassphraseSource,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const where =
    'file' in source ? `the passphrase file ${source.file}` : source.environmentVariable;
  const text =
    'file' in source
      ? await readTextFile(source.file, where)
      : environment[source.environmentVariable];
  const passphrase = (text ?? '').replace(/\r?\n$/, '');
  if (passphrase === '') throw new CertmillError('CONFIG_INVALID', `${where} is empty`);
  return passphrase;
}

async function readTextFile(file: string, where: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `${where} cannot be read`, { cause });
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await readFile(file);
    return true;
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return false;
    throw new CertmillError('CONFIG_INVALID', `the passphrase file ${file} cannot be read`, {
      cause,
    });
  }
}
