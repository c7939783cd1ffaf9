import { hash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { type CeremonyFile, parseCeremony } from '@certmill/trust/ceremony';
import { readText, readBytes } from '../read-input.js';

/** A ceremony file, with the files that it takes in as they are now. */
export async function readCeremony(file: string): Promise<CeremonyFile> {
  return parseCeremony(await readText(file), file);
}

export interface InputFile {
  readonly file: string;
  readonly sha256: string;
}

/** The files that the steps take in, by the member that names them. */
export function inputFilesOf(ceremony: Pick<CeremonyFile, 'steps'>): readonly InputFile[] {
  return ceremony.steps.flatMap((step) =>
    Object.values(step).filter(
      (value): value is InputFile =>
        typeof value === 'object' && 'file' in value && 'sha256' in value,
    ),
  );
}

/** Where an input file of a ceremony lies. */
export function inputPath(ceremonyFile: string, input: string): string {
  return resolve(dirname(ceremonyFile), input);
}

/** INVALID_INPUT where a file that the ceremony takes in is not the one that it names. */
export async function assertInputFiles(
  ceremonyFile: string,
  ceremony: CeremonyFile,
): Promise<void> {
  for (const { file, sha256 } of inputFilesOf(ceremony)) {
    const found = hash('sha256', await readBytes(inputPath(ceremonyFile, file)), 'hex');
    if (found === sha256) continue;
    throw new CertmillError(
      'INVALID_INPUT',
      `${file} is not the file that the ceremony names: its SHA-256 is ${found}, named is ${sha256}`,
    );
  }
}

/** Groups of four, for two people who read it aloud to each other. */
export function spokenFingerprint(sha256: string): string {
  return sha256.match(/.{1,4}/g)?.join(' ') ?? sha256;
}
