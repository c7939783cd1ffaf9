import { readFile } from 'node:fs/promises';
import { CertmillError, type Profile } from '@certmill/domain';
import { parseProfile } from '@certmill/domain/profile-files';

/** A profile file that was read and checked. INVALID_INPUT, or PROFILE_INVALID with each line. */
export async function readProfileFile(
  file: string,
): Promise<{ readonly text: string; readonly profile: Profile }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
  return { text, profile: parseProfile(text, file) };
}
