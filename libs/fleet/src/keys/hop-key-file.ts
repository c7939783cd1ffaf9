import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import type { HopKeys } from '@certmill/pipeline';

const secretOctets = 32;
/** Keys of status changes are never dropped: a rotation a month for 85 years. */
const maxKeys = 1_024;
const keyId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);

const hopKeyFileSchema = z.strictObject({
  formatVersion: z.literal(1),
  /** Id of the key that seals; all of them open. */
  sealing: keyId,
  keys: z
    .array(z.strictObject({ id: keyId, secretHex: z.string().regex(/^[0-9a-f]{64}$/) }))
    .min(1)
    .max(maxKeys),
});

type HopKeyFile = z.infer<typeof hopKeyFileSchema>;

/**
 * The keys of a hop (DESIGN 3.6). The file is the same on both sides of the hop; while keys are rotated
 * it holds two. CONFIG_INVALID, which quotes nothing of the file.
 */
export function readHopKeys(path: string): HopKeys {
  const { sealing, keys } = readFile(path);
  const opening = new Map(keys.map(({ id, secretHex }) => [id, Buffer.from(secretHex, 'hex')]));
  const secret = opening.get(sealing);
  if (opening.size < keys.length || secret === undefined) throw notKeys(path);
  return { sealing: { id: sealing, secret }, opening };
}

/** The text of a new file with one key. */
export function newHopKeyFile(nowMs: number): string {
  const key = newKey(nowMs, []);
  return textOf({ formatVersion: 1, sealing: key.id, keys: [key] });
}

/** What a rotation does to a file, each step once it is deployed everywhere: add, seal, drop. */
export const rotationSteps = ['add', 'seal', 'drop'] as const;
export type RotationStep = (typeof rotationSteps)[number];

/**
 * The text after one step. `add`: a new key opens; `seal`: the newest one seals; `drop`: only the
 * sealing one is left. CONFLICT where it is not the step's turn, or there
 * are as many keys as a file may have.
 * @param keepsKeys Of a file whose keys are never dropped: it has had more than one for good.
 */
export function rotatedHopKeyFile(
  path: string,
  step: RotationStep,
  nowMs: number,
  { keepsKeys = false }: { readonly keepsKeys?: boolean } = {},
): string {
  const file = readFile(path);
  const newest = file.keys.at(-1);
  if (newest === undefined) throw notKeys(path);
  const isNewestSealing = newest.id === file.sealing;
  switch (step) {
    case 'add':
      if (keepsKeys ? !isNewestSealing : file.keys.length > 1) {
        throw outOfTurn(path, 'a rotation is under way: go on with seal, then drop');
      }
      if (file.keys.length >= maxKeys) {
        throw outOfTurn(
          path,
          `it has ${String(maxKeys)} keys, the most there may be: leave it as it is, its newest key goes on`,
        );
      }
      return textOf({ ...file, keys: [...file.keys, newKey(nowMs, file.keys)] });
    case 'seal':
      if (isNewestSealing) throw outOfTurn(path, 'the newest key seals already: add one first');
      return textOf({ ...file, sealing: newest.id });
    case 'drop':
      if (file.keys.length < 2) throw outOfTurn(path, 'there is one key only');
      if (!isNewestSealing) throw outOfTurn(path, 'the newest key does not seal yet');
      return textOf({ ...file, keys: [newest] });
  }
}

/** Whether a file is as the step leaves it, where the other files of its folder are a step behind. */
export function hasTakenStep(path: string, step: RotationStep): boolean {
  const { keys, sealing } = readFile(path);
  const isNewestSealing = keys.at(-1)?.id === sealing;
  switch (step) {
    case 'add':
      return keys.length > 1 && !isNewestSealing;
    case 'seal':
      return keys.length > 1 && isNewestSealing;
    case 'drop':
      return keys.length === 1;
  }
}

function outOfTurn(path: string, why: string): CertmillError {
  return new CertmillError('CONFLICT', `${path}: ${why}`);
}

function newKey(nowMs: number, others: HopKeyFile['keys']): HopKeyFile['keys'][number] {
  const day = new Date(nowMs).toISOString().slice(0, 10);
  const id = others.some((other) => other.id === day)
    ? `${day}-${randomBytes(3).toString('hex')}`
    : day;
  return { id, secretHex: randomBytes(secretOctets).toString('hex') };
}

function textOf(file: HopKeyFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

function readFile(path: string): HopKeyFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `hopKeys: cannot read ${path}`, { cause });
  }
  try {
    const parsed = hopKeyFileSchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
  } catch {
    // No cause: a parser's message would quote the keys.
  }
  throw notKeys(path);
}

function notKeys(path: string): CertmillError {
  return new CertmillError('CONFIG_INVALID', `hopKeys: ${path} is no file of hop keys`);
}
