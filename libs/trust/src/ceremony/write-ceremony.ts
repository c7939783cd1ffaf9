import { stringify } from 'yaml';
import { z } from 'zod';
import { parseYaml } from '@certmill/domain/yaml-files';
import type { CeremonyFile } from './ceremony-file.js';
import { parseCeremony } from './parse-ceremony.js';

const notes: Readonly<Partial<Record<keyof CeremonyFile, string>>> = {
  id: 'Random: approvals are for this ceremony and no other.',
  installation: 'The data folder that it is for: approvals of it are good nowhere else.',
  window: 'It can be carried out from notBefore until notAfter (UTC).',
  participants:
    'Who is there. Administrators approve, custodians hold shares of split keys, witnesses watch\n' +
    'and sign the transcript, auditors may check it at any time. A key stands once: one person\n' +
    'counts once. A custodian with an encryptionKey (X25519 or P-256) needs no passphrase.',
  quorum:
    'How many of them: administrators who approve, custodians who open a split key, witnesses\n' +
    'who sign.',
  steps:
    'What is done, in this order. `certmill ceremony check` says what each means; what every\n' +
    'step may say stands in docs/ceremony.schema.json.',
};

/** A ceremony file with comments, for people to read and change. */
function ceremonyYaml(ceremony: CeremonyFile): string {
  const parts = Object.entries(ceremony).map(([key, value]) => {
    const note = notes[key as keyof CeremonyFile];
    const comment = note === undefined ? '' : `${note.replaceAll(/^/gm, '# ')}\n`;
    return `${comment}${stringify({ [key]: value as unknown }, { lineWidth: 0 })}`;
  });
  return parts.join('\n');
}

/** What a first root needs; `ceremony new` writes it where no steps are given. */
const exampleSteps = `- do: make-root
  key: ec-p384
  subject: O=Example,CN=Example Device Root CA
  validity: { notAfter: never }
  pathLength: 1
  profile: root
`;

export interface CeremonyDraft extends Omit<CeremonyFile, 'steps'> {
  /** YAML: a list of steps; a file in it needs no sha256. Default: a step that makes a root. */
  readonly stepsYaml?: string;
  /** Names it in the messages. */
  readonly stepsFileName: string;
}

/**
 * The text of a new ceremony file, checked as `parseCeremony` does.
 * @param sha256Of reads a file that a step takes in.
 */
export async function draftCeremony(
  draft: CeremonyDraft,
  sha256Of: (file: string) => Promise<string>,
): Promise<string> {
  const { stepsYaml, stepsFileName, ...head } = draft;
  const steps = parseYaml(stepsYaml ?? exampleSteps, {
    fileName: stepsFileName,
    kind: 'list of steps',
    code: 'INVALID_INPUT',
    maxCharacters: 1024 * 1024,
    schema: z.array(z.record(z.string(), z.unknown())).min(1),
  });
  const pinned = await Promise.all(steps.map(async (step) => withHashes(step, sha256Of)));
  const text = ceremonyYaml({ ...head, steps: pinned as unknown as CeremonyFile['steps'] });
  parseCeremony(text, 'the new ceremony');
  return text;
}

async function withHashes(
  step: Readonly<Record<string, unknown>>,
  sha256Of: (file: string) => Promise<string>,
): Promise<Readonly<Record<string, unknown>>> {
  const members = Object.entries(step).map(async ([key, value]) => {
    const isUnpinned =
      typeof value === 'object' && value !== null && 'file' in value && !('sha256' in value);
    if (!isUnpinned || typeof value.file !== 'string') return [key, value] as const;
    return [key, { ...value, sha256: await sha256Of(value.file) }] as const;
  });
  return Object.fromEntries(await Promise.all(members));
}
