import { hash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { CertmillError } from '@certmill/domain';
import {
  assertNoneComesBack,
  type CeremonyFile,
  inputsOf,
  type InputView,
  parseCeremony,
  viewInput,
} from '@certmill/trust/ceremony';
import { readText, readBytes } from '../read-input.js';

/** Of a mebi of characters, which is what a ceremony has at most. */
const maxCeremonyBytes = 4 * 1024 * 1024;

/** A ceremony file, with the files that it takes in as they are now. */
export async function readCeremony(file: string): Promise<CeremonyFile> {
  return parseCeremony(await readText(file, maxCeremonyBytes), file);
}

/** Where an input file of a ceremony lies. */
export function inputPath(ceremonyFile: string, input: string): string {
  return resolve(dirname(ceremonyFile), input);
}

/** A file that a step takes in, and what is in it. */
export interface StepInput {
  /** From 1. */
  readonly step: number;
  readonly file: string;
  readonly view: InputView;
}

/**
 * What the files hold that the ceremony takes in. INVALID_INPUT where one is not that which it names, or
 * its step would refuse it; CONFLICT as `assertNoneComesBack`.
 */
export async function viewInputs(
  ceremonyFile: string,
  { steps }: CeremonyFile,
): Promise<readonly StepInput[]> {
  const found: StepInput[] = [];
  const viewed: { step: CeremonyFile['steps'][number]; view: InputView }[] = [];
  for (const [index, step] of steps.entries()) {
    for (const { file, sha256 } of inputsOf(step)) {
      const bytes = await readBytes(inputPath(ceremonyFile, file));
      assertNamed(bytes, file, sha256);
      const view = viewInput(step, bytes);
      if (view === undefined) continue;
      found.push({ step: index + 1, file, view });
      viewed.push({ step, view });
    }
  }
  assertNoneComesBack(viewed);
  return found;
}

function assertNamed(bytes: Uint8Array, file: string, sha256: string): void {
  const found = hash('sha256', bytes, 'hex');
  if (found === sha256) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `${file} is not the file that the ceremony names: its SHA-256 is ${found}, named is ${sha256}`,
  );
}

/** Groups of four, for two people who read it aloud to each other. */
export function spokenFingerprint(sha256: string): string {
  return sha256.match(/.{1,4}/g)?.join(' ') ?? sha256;
}
