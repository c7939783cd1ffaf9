import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, CertmillError, isCertmillError } from '@certmill/domain';
import { createFileAtomically, isErrorCode, publicFileMode } from '../atomic-file.js';
import { entryFile } from './ceremony-folder.js';
import type { EffectsEntry, TranscriptEntry } from './ceremony-record.js';
import { bulkCharacters, parseStatement } from './statement-file.js';
import { entrySchema } from './transcript-schema.js';

const effectsFile = 'effects.json';

/** The entry of a step that is done; undefined where it is not. FAULT_STORE_CORRUPT where it is none. */
export async function readStepEntry<K extends Exclude<TranscriptEntry['kind'], 'effects'>>(
  stepFolder: string,
  kind: K,
): Promise<EntryOf<K> | undefined> {
  return readEntry(join(stepFolder, entryFile), kind);
}

export async function readEffectsEntry(stepFolder: string): Promise<EffectsEntry | undefined> {
  return readEntry(join(stepFolder, effectsFile), 'effects');
}

type EntryOf<K extends TranscriptEntry['kind']> = Extract<TranscriptEntry, { readonly kind: K }>;

export async function writeEffectsEntry(stepFolder: string, entry: TranscriptEntry): Promise<void> {
  await createFileAtomically(
    join(stepFolder, effectsFile),
    `${canonicalJson(entry)}\n`,
    publicFileMode,
  );
}

async function readEntry<K extends TranscriptEntry['kind']>(
  file: string,
  kind: K,
): Promise<EntryOf<K> | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
  let entry: TranscriptEntry;
  try {
    const form = parseStatement(text, file, 'entry of a ceremony', entrySchema, bulkCharacters);
    entry = form as unknown as TranscriptEntry;
  } catch (cause) {
    if (!isCertmillError(cause)) throw cause;
    throw new CertmillError('FAULT_STORE_CORRUPT', `${cause.message}: it is damaged`, { cause });
  }
  if (isOfKind(entry, kind)) return entry;
  throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is no entry '${kind}' of a ceremony`);
}

function isOfKind<K extends TranscriptEntry['kind']>(
  entry: TranscriptEntry,
  kind: K,
): entry is EntryOf<K> {
  return entry.kind === kind;
}
