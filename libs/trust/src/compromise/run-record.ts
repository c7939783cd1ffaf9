import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, revocationReasons } from '@certmill/domain';
import { z } from 'zod';
import { isErrorCode, publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { withFileLock } from '../hierarchy/folder-lock.js';
import { compromiseSteps, type CompromisePlan, type CompromiseStep } from './plan.js';

/** What a step has done, for the report and for later steps. */
export type StepFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface StepRecord {
  readonly step: CompromiseStep;
  /** When it was first begun: a killed one that was done again too. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly facts: StepFacts;
}

/** A run as far as it is. */
export interface CompromiseRun {
  readonly plan: CompromisePlan;
  /** The step in hand, with what it has noted for itself. */
  readonly begun?: {
    readonly step: CompromiseStep;
    readonly atMs: number;
    readonly noted?: StepFacts;
  };
  /** In the order of the plan. */
  readonly done: readonly StepRecord[];
}

const step = z.enum(compromiseSteps);
const reason = z.enum(revocationReasons);
const timeMs = z.int().min(0);
const text = z.string().exactOptional();

const planSchema = z.strictObject({
  wish: z.strictObject({
    name: z.string(),
    issuer: z.string(),
    reason,
    deviceReason: reason.exactOptional(),
    successor: z
      .strictObject({
        name: z.string(),
        ...{ under: text, key: text, subject: text, lifetime: text },
        ...{ statusUrl: text, crlShards: text, slot: text },
      })
      .exactOptional(),
    isReissued: z.boolean(),
    isCaFirst: z.boolean(),
    keepsCa: z.boolean(),
    ratePerSecond: z.number().exactOptional(),
  }),
  serialNumberHex: z.string(),
  deviceReason: reason,
  makesSuccessor: z.boolean(),
  steps: z.array(step),
  createdAtMs: timeMs,
});

const facts = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
);

const runSchema = z.strictObject({
  formatVersion: z.literal(1),
  plan: planSchema,
  begun: z.strictObject({ step, atMs: timeMs, noted: facts.exactOptional() }).exactOptional(),
  done: z.array(
    z.strictObject({
      step,
      startedAtMs: timeMs,
      endedAtMs: timeMs,
      facts,
    }),
  ),
});

export const compromisesFolderName = 'compromises';

/** Where runs lie: beside `ceremonies/`, a file each. */
export function compromiseFileOf(dataDirectory: string, name: string): string {
  return join(dataDirectory, compromisesFolderName, `${name}.json`);
}

/** Undefined where none of the name was begun. FAULT_STORE_CORRUPT where the file is damaged. */
export async function readCompromise(
  dataDirectory: string,
  name: string,
): Promise<CompromiseRun | undefined> {
  const file = compromiseFileOf(dataDirectory, name);
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
  try {
    const { plan, begun, done } = runSchema.parse(JSON.parse(content));
    return { plan, ...(begun === undefined ? {} : { begun }), done };
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is damaged`, { cause });
  }
}

/** Durable before it resolves. The folder is there while the run is held. */
export async function writeCompromise(dataDirectory: string, run: CompromiseRun): Promise<void> {
  const file = compromiseFileOf(dataDirectory, run.plan.wish.name);
  const content = `${JSON.stringify({ formatVersion: 1, ...run }, undefined, 2)}\n`;
  await writeFileAtomically(file, content, publicFileMode);
}

/** Holds a run: no other process works on it meanwhile. DATA_FOLDER_IN_USE where one does. */
export function withCompromise<T>(
  dataDirectory: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const lock = join(dataDirectory, compromisesFolderName, `.${name}.lock`);
  return withFileLock(lock, 0, work);
}
