import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CertmillError, diskFullFault } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { withCaLock } from '../hierarchy/folder-lock.js';
import { type Approval, approvalsOf, checkQuorum, checkQuorums } from './approval.js';
import { openApprovalFolder } from './approval-folder.js';
import type { CeremonyFile, CeremonyStep } from './ceremony-file.js';
import {
  applyEffects,
  ceremonyFolderOf,
  filesBelow,
  stepFolderOf,
  StepStage,
} from './ceremony-folder.js';
import {
  assertApproved,
  type BeginEntry,
  type EffectsEntry,
  type EndEntry,
  entryHash,
  type MachineFacts,
  noEntry,
  sha256Of,
  type SoftwareFacts,
  type StepEntry,
  type TranscriptEntry,
} from './ceremony-record.js';
import { type KeyShare, parseKeyShare } from './key-share.js';
import { operationHash } from './operation.js';
import { ceremonyOperation, ceremonyQuorum } from './parse-ceremony.js';
import { type QuorumPolicy, readQuorumPolicy } from './quorum-policy.js';
import { requireApproval } from './require-approval.js';
import type { Custody } from './step-context.js';
import { readEffectsEntry, readStepEntry, writeEffectsEntry } from './step-entries.js';
import { runStep } from './steps/run-step.js';
import { serializeTranscript, transcriptFileName } from './transcript.js';

export interface CeremonyRun {
  readonly ceremony: CeremonyFile;
  readonly approvals: readonly Approval[];
  readonly dataDirectory: string;
  readonly custody: Custody;
  readonly software: SoftwareFacts;
  readonly machine: MachineFacts;
  readonly isRehearsal?: boolean;
  readonly now: () => number;
  /** A file that the ceremony names. */
  readonly readInput: (file: string) => Promise<Uint8Array>;
  /** Called after each thing that is durable. */
  readonly tell?: (progress: CeremonyProgress) => void;
}

export type CeremonyProgress =
  | { readonly kind: 'begun'; readonly folder: string; readonly isResumed: boolean }
  | { readonly kind: 'staged' | 'committed' | 'done'; readonly step: number; readonly do: string };

export interface CeremonyResult {
  readonly folder: string;
  readonly transcriptFile: string;
  readonly transcriptSha256: string;
  readonly entries: readonly TranscriptEntry[];
}

/** A clock may be set while it runs; by more than this it cannot be told any more what came first. */
const clockToleranceMs = 5_000;

/**
 * Carries a ceremony out. Each step appears whole or not at all; run again after it was killed, it goes
 * on after the last step that is whole. Its window is for the beginning and for steps; what a committed
 * step still has to change, a key that is half destroyed say, and the end may be done at any time after.
 *
 * Throws FORBIDDEN outside its window, APPROVAL_REQUIRED without its quorum (that of the installation
 * too, where it has one), CONFLICT where it was carried out before, or where it was killed and the CAs
 * were changed since, DATA_FOLDER_IN_USE, FAULT_CLOCK_BACKWARDS, FAULT_DISK_FULL, and as its steps do.
 * Where a step throws, the steps before it stay and it leaves nothing.
 */
export async function runCeremony(run: CeremonyRun): Promise<CeremonyResult> {
  const { ceremony, dataDirectory } = run;
  const folder = ceremonyFolderOf(dataDirectory, ceremony);
  const book = new TranscriptBook(run.now);
  await begin(run, folder, book);
  for (const [index, step] of ceremony.steps.entries()) {
    // What a step is made from stays as it is until the step has changed it.
    await withCaLock(dataDirectory, async () => doStep(run, folder, book, step, index + 1));
  }
  const end = await finish(folder, book, ceremony.steps.length + 1);
  return { folder, ...end, entries: book.entries };
}

/** The entries so far; each new one is chained to the last. */
class TranscriptBook {
  readonly entries: TranscriptEntry[] = [];
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** The time, which never goes back behind what is recorded. FAULT_CLOCK_BACKWARDS. */
  time(): number {
    const nowMs = this.now();
    const lastMs = Date.parse(this.entries.at(-1)?.at ?? '1970-01-01T00:00:00Z');
    if (nowMs < lastMs - clockToleranceMs) {
      throw new CertmillError(
        'FAULT_CLOCK_BACKWARDS',
        `the clock says ${new Date(nowMs).toISOString()}, and the last entry was made at ` +
          new Date(lastMs).toISOString(),
      );
    }
    return Math.max(nowMs, lastMs);
  }

  head(): { readonly previous: string; readonly at: string } {
    const last = this.entries.at(-1);
    return {
      previous: last === undefined ? noEntry : entryHash(last),
      at: new Date(this.time()).toISOString(),
    };
  }

  /** An entry that was read back. FAULT_STORE_CORRUPT where it does not follow. */
  take(entry: TranscriptEntry): void {
    const last = this.entries.at(-1);
    if (entry.previous !== (last === undefined ? noEntry : entryHash(last))) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `entry ${String(this.entries.length + 1)} of the ceremony does not follow from the one before`,
      );
    }
    this.entries.push(entry);
  }
}

async function begin(run: CeremonyRun, folder: string, book: TranscriptBook): Promise<void> {
  const { ceremony, approvals, dataDirectory } = run;
  const operation = ceremonyOperation(ceremony);
  // The people of the file are its own claim; those of the installation are known.
  const policy = await readQuorumPolicy(dataDirectory);
  const quorums = [...(policy === undefined ? [] : [policy]), ceremonyQuorum(ceremony)];
  const nowMs = book.time();
  const stepFolder = stepFolderOf(folder, 0, 'begin');
  const earlier = await readStepEntry(stepFolder, 'begin');
  if (earlier === undefined) {
    assertWindow(ceremony, nowMs);
    assertInstallation(ceremony, policy);
    checkQuorums(operation, approvals, quorums, nowMs);
    const entry: BeginEntry = {
      ...book.head(),
      kind: 'begin',
      runId: randomBytes(16).toString('hex'),
      isRehearsal: run.isRehearsal ?? false,
      ceremony,
      ceremonySha256: operationHash(operation),
      approvals,
      software: run.software,
      machine: run.machine,
    };
    await writing(stepFolder, async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const stage = await StepStage.open(stepFolder, dataDirectory);
      await stage.commit(stepFolder, entry);
    });
  }
  const begun = earlier ?? (await readStepEntry(stepFolder, 'begin'));
  if (begun?.ceremonySha256 !== operationHash(operation)) {
    throw new CertmillError(
      'CONFLICT',
      `${folder} was begun with another content of this ceremony: it was changed since`,
    );
  }
  book.take(begun);
  // They were good when it began; a quorum that was adopted since asks for its own people as well.
  const begunMs = Date.parse(begun.at);
  for (const quorum of quorums) {
    checkQuorum(operation, approvalsOf(quorum, begun.approvals), quorum, begunMs);
  }
  const own = ceremonyQuorum(ceremony);
  await requireApproval(operation, approvalsOf(own, begun.approvals), own, {
    ledger: openApprovalFolder(dataDirectory),
    nowMs: begunMs,
    useId: begun.runId,
  });
  run.tell?.({ kind: 'begun', folder, isResumed: earlier !== undefined });
}

/**
 * A ceremony is for the installation that it names, or for a folder that has no quorum: FORBIDDEN
 * elsewhere, for its approvals would be good in two places.
 */
export function assertInstallation(
  ceremony: Pick<CeremonyFile, 'installation'>,
  policy: QuorumPolicy | undefined,
): void {
  if (ceremony.installation === policy?.installation) return;
  throw new CertmillError(
    'FORBIDDEN',
    `the ceremony is for ${nameOf(ceremony.installation)}, and the data folder is ` +
      `${nameOf(policy?.installation)} (ca/quorum.json; certmill ceremony new --quorum FILE)`,
  );
}

function nameOf(installation: string | undefined): string {
  return installation === undefined
    ? 'a folder without a quorum'
    : `the installation ${installation}`;
}

function assertWindow({ window }: CeremonyFile, nowMs: number): void {
  const now = new Date(nowMs).toISOString();
  if (nowMs < Date.parse(window.notBefore)) {
    throw new CertmillError(
      'FORBIDDEN',
      `it is ${now}, and the ceremony may begin at ${window.notBefore}`,
    );
  }
  if (nowMs >= Date.parse(window.notAfter)) {
    throw new CertmillError(
      'FORBIDDEN',
      `it is ${now}, and the ceremony ended at ${window.notAfter}`,
    );
  }
}

async function doStep(
  run: CeremonyRun,
  folder: string,
  book: TranscriptBook,
  step: CeremonyStep,
  number: number,
): Promise<void> {
  const stepFolder = stepFolderOf(folder, number, step.do);
  const told = { step: number, do: step.do };
  let entry = await readStepEntry(stepFolder, 'step');
  if (entry === undefined) {
    entry = await writing(stepFolder, async () =>
      stageStep(run, folder, book, step, number, () => run.tell?.({ kind: 'staged', ...told })),
    );
  }
  if (entry.step !== number || entry.do !== step.do) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${stepFolder} is of another step`);
  }
  book.take(entry);
  run.tell?.({ kind: 'committed', ...told });
  if (entry.effects.length > 0) {
    const effects = await changed(run, stepFolder, book, entry);
    book.take(effects);
  }
  run.tell?.({ kind: 'done', ...told });
}

async function stageStep(
  run: CeremonyRun,
  folder: string,
  book: TranscriptBook,
  step: CeremonyStep,
  number: number,
  staged: () => void,
): Promise<StepEntry> {
  const { ceremony, custody, dataDirectory } = run;
  const stepFolder = stepFolderOf(folder, number, step.do);
  const startedMs = book.time();
  assertWindow(ceremony, startedMs);
  const stage = await StepStage.open(stepFolder, dataDirectory);
  try {
    const facts = await runStep(step, {
      ceremony,
      dataDirectory,
      custody,
      stage,
      nowMs: startedMs,
      ownShares: await sharesIn(folder),
      input: async (input) => {
        const bytes = await run.readInput(input.file);
        assertApproved(bytes, input);
        await stage.input(basename(input.file), bytes);
        return bytes;
      },
    });
    const { inputs, outputs, effects } = stage;
    const entry: StepEntry = {
      ...book.head(),
      ...{ kind: 'step', step: number, do: step.do, facts, inputs, outputs, effects },
      startedAt: new Date(startedMs).toISOString(),
    };
    staged();
    await stage.commit(stepFolder, entry);
    return entry;
  } catch (error) {
    await stage.abandon();
    throw error;
  }
}

/** Shares that this ceremony made and that still lie in its folder. */
async function sharesIn(folder: string): Promise<readonly KeyShare[]> {
  const files = (await filesBelow(folder)).filter((file) =>
    /^\d\d+-[^/.]+\/outputs\/[^/]+\.share\.json$/.test(file),
  );
  return Promise.all(
    files.map(async (file) => parseKeyShare(await readFile(join(folder, file), 'utf8'), file)),
  );
}

async function changed(
  run: CeremonyRun,
  stepFolder: string,
  book: TranscriptBook,
  { step, effects }: StepEntry,
): Promise<EffectsEntry> {
  const earlier = await readEffectsEntry(stepFolder);
  if (earlier !== undefined) {
    if (earlier.step === step) return earlier;
    throw new CertmillError('FAULT_STORE_CORRUPT', `${stepFolder} has the changes of another step`);
  }
  const done = await writing(stepFolder, async () =>
    applyEffects(run.dataDirectory, stepFolder, effects),
  );
  const entry: EffectsEntry = { ...book.head(), kind: 'effects', step, done };
  await writing(stepFolder, async () => writeEffectsEntry(stepFolder, entry));
  return entry;
}

async function finish(
  folder: string,
  book: TranscriptBook,
  number: number,
): Promise<Pick<CeremonyResult, 'transcriptFile' | 'transcriptSha256'>> {
  const stepFolder = stepFolderOf(folder, number, 'end');
  const earlier = await readStepEntry(stepFolder, 'end');
  if (earlier === undefined) {
    const end: EndEntry = { ...book.head(), kind: 'end' };
    await writing(stepFolder, async () => {
      const stage = await StepStage.open(stepFolder, folder);
      await stage.commit(stepFolder, end);
    });
    book.take(end);
  } else {
    book.take(earlier);
  }
  const transcriptFile = join(folder, transcriptFileName);
  const text = serializeTranscript(book.entries);
  await writing(transcriptFile, async () =>
    writeFileAtomically(transcriptFile, text, publicFileMode),
  );
  return { transcriptFile, transcriptSha256: sha256Of(text) };
}

async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw diskFullFault(cause, path) ?? cause;
  }
}
