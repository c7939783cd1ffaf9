import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, CertmillError, isCertmillError } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { approvalsOf, checkQuorum } from './approval.js';
import { type CeremonyFile, inputsOf } from './ceremony-file.js';
import { filesBelow, stepFolderOf } from './ceremony-folder.js';
import {
  type BeginEntry,
  entryHash,
  type FileRecord,
  noEntry,
  sha256Of,
  type StepEntry,
  type TranscriptEntry,
} from './ceremony-record.js';
import { hex } from './field-schemas.js';
import { operationHash } from './operation.js';
import { ceremonyOperation, ceremonyQuorum, parseCeremony } from './parse-ceremony.js';
import {
  isSignedStatement,
  keyFingerprint,
  participantKeyOf,
  signStatement,
} from './participant-keys.js';
import { codeHash } from './running-software.js';
import { bulkCharacters, parseStatement } from './statement-file.js';
import { transcriptSchema } from './transcript-schema.js';

export const transcriptFileName = 'transcript.json';
export const witnessFileEnding = '.witness.json';

/** Canonical JSON, a line. */
export function serializeTranscript(entries: readonly TranscriptEntry[]): string {
  const last = entries.at(-1);
  const head = last === undefined ? noEntry : entryHash(last);
  return `${canonicalJson({ type: 'certmill-ceremony-transcript', version: 1, head, entries })}\n`;
}

export interface Transcript {
  readonly begin: BeginEntry;
  readonly ceremony: CeremonyFile;
  readonly entries: readonly TranscriptEntry[];
  readonly head: string;
  readonly sha256: string;
}

/**
 * Reads a transcript and checks what stands in it: form, chain of entries, order of steps and times, the
 * window, the ceremony, its approvals and what it took in. That the people are who they say is not in it.
 * INVALID_INPUT with the entry that is wrong, also for a rehearsal where a ceremony is asked for.
 */
export function parseTranscript(
  text: string,
  fileName: string,
  { isRehearsal = false } = {},
): Transcript {
  const form = parseStatement(text, fileName, 'transcript', transcriptSchema, bulkCharacters);
  if (text !== `${canonicalJson(form)}\n`) {
    throw refusal(fileName, 'it is not canonical JSON: something was changed');
  }
  const entries = form.entries as unknown as readonly TranscriptEntry[];
  let previous = noEntry;
  for (const [index, entry] of entries.entries()) {
    if (entry.previous !== previous) {
      throw refusal(fileName, `entry ${String(index + 1)} does not follow from the one before`);
    }
    previous = entryHash(entry);
  }
  if (form.head !== previous) throw refusal(fileName, 'its head is not the hash of its last entry');
  const [begin] = entries;
  if (begin?.kind !== 'begin') throw refusal(fileName, 'it has no beginning');
  if (begin.isRehearsal !== isRehearsal) {
    throw refusal(fileName, begin.isRehearsal ? 'it is of a rehearsal' : 'it is of no rehearsal');
  }
  if (codeHash(begin.software.packages) !== begin.software.codeSha256) {
    throw refusal(fileName, 'its code is not the packages that it lists');
  }
  const ceremony = parseCeremony(canonicalJson(begin.ceremony), `${fileName} (its ceremony)`, {
    isCarriedOut: true,
  });
  assertComplete(entries, ceremony, fileName);
  assertTimes(entries, ceremony, fileName);
  assertInputs(entries, ceremony, fileName);
  const operation = ceremonyOperation(ceremony);
  if (operationHash(operation) !== begin.ceremonySha256) {
    throw refusal(fileName, 'its ceremony is not the one that was approved');
  }
  // Those of an installation's quorum stand there as well.
  const quorum = ceremonyQuorum(ceremony);
  const approvals = approvalsOf(quorum, begin.approvals);
  checkQuorum(operation, approvals, quorum, Date.parse(begin.at));
  return { begin, ceremony, entries, head: form.head, sha256: sha256Of(text) };
}

/** Entries follow each other in time; it begins, and each step does, in the window. */
function assertTimes(
  entries: readonly TranscriptEntry[],
  { window }: CeremonyFile,
  fileName: string,
): void {
  const [from, to] = [Date.parse(window.notBefore), Date.parse(window.notAfter)];
  let lastMs = 0;
  for (const [index, entry] of entries.entries()) {
    const startMs = Date.parse(entry.kind === 'step' ? entry.startedAt : entry.at);
    const endMs = Date.parse(entry.at);
    if (startMs < lastMs || endMs < startMs) {
      throw refusal(fileName, `entry ${String(index + 1)} is older than what it follows`);
    }
    const isBound = entry.kind === 'begin' || entry.kind === 'step';
    if (isBound && (startMs < from || startMs >= to)) {
      throw refusal(fileName, `entry ${String(index + 1)} began outside the window`);
    }
    lastMs = endMs;
  }
}

/** What each step took in is what was approved. */
function assertInputs(
  entries: readonly TranscriptEntry[],
  { steps }: CeremonyFile,
  fileName: string,
): void {
  for (const entry of entries) {
    const step = entry.kind === 'step' ? steps[entry.step - 1] : undefined;
    if (entry.kind !== 'step' || step === undefined) continue;
    const approved = inputsOf(step).map(({ file, sha256 }) => `${sha256} inputs/${basename(file)}`);
    const found = entry.inputs.map(({ path, sha256 }) => `${sha256} ${path}`);
    if (canonicalJson(approved) === canonicalJson(found)) continue;
    throw refusal(fileName, `step ${String(entry.step)} took in other files than were approved`);
  }
}

/** Every step of the ceremony once, in its order, each change done, and an end. */
function assertComplete(
  entries: readonly TranscriptEntry[],
  { steps }: CeremonyFile,
  fileName: string,
): void {
  const expected = ['begin'];
  const stepEntries = entries.filter((entry): entry is StepEntry => entry.kind === 'step');
  steps.forEach((step, index) => {
    expected.push(`step ${String(index + 1)} ${step.do}`);
    if ((stepEntries[index]?.effects.length ?? 0) > 0)
      expected.push(`effects ${String(index + 1)}`);
  });
  expected.push('end');
  const found = entries.map((entry) => {
    if (entry.kind === 'step') return `step ${String(entry.step)} ${entry.do}`;
    return entry.kind === 'effects' ? `effects ${String(entry.step)}` : entry.kind;
  });
  const at = expected.findIndex((what, index) => found[index] !== what);
  if (at >= 0 || found.length !== expected.length) {
    const wanted = expected[at] ?? 'nothing';
    throw refusal(fileName, `entry ${String(at + 1)} has to be '${wanted}'`);
  }
}

const witnessSchema = z.strictObject({
  type: z.literal('certmill-witness'),
  version: z.literal(1),
  ceremonyId: hex(16),
  transcriptSha256: hex(32),
  head: hex(32),
  witness: z.string().min(1).max(63),
  keySha256: hex(32),
  signedAt: z.iso.datetime(),
  signature: z.base64().max(200),
});

/** A witness's or an auditor's signature over a whole transcript. */
export type WitnessSignature = z.infer<typeof witnessSchema>;

/** Signs a transcript. FORBIDDEN where the key is of no witness or auditor of its ceremony. */
export function witnessTranscript(
  transcript: Transcript,
  key: KeyObject,
  nowMs: number,
): WitnessSignature {
  const keySha256 = keyFingerprint(createPublicKey(key));
  const person = observersOf(transcript.ceremony).find(
    ({ publicKey }) => keyFingerprint(participantKeyOf(publicKey)) === keySha256,
  );
  if (person === undefined) {
    throw new CertmillError('FORBIDDEN', 'the key is of no witness or auditor of this ceremony');
  }
  const statement = {
    type: 'certmill-witness' as const,
    version: 1 as const,
    ceremonyId: transcript.ceremony.id,
    transcriptSha256: transcript.sha256,
    head: transcript.head,
    witness: person.name,
    keySha256,
    signedAt: new Date(nowMs).toISOString(),
  };
  return { ...statement, signature: signStatement('witness', statement, key) };
}

export function parseWitnessSignature(text: string, fileName: string): WitnessSignature {
  return parseStatement(text, fileName, 'signature of a witness', witnessSchema);
}

function observersOf({ participants }: CeremonyFile): CeremonyFile['participants'] {
  return participants.filter(({ roles }) => roles.includes('witness') || roles.includes('auditor'));
}

/** Somebody whose signature counted. The transcript itself says whose key it is. */
export interface Signer {
  readonly name: string;
  readonly part: 'approved' | 'signed';
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly keySha256: string;
}

export interface TranscriptVerdict {
  readonly transcript: Transcript;
  readonly witnesses: readonly string[];
  readonly auditors: readonly string[];
  /** Whose signatures were checked, and with which keys. */
  readonly signers: readonly Signer[];
  /** Files whose hashes were compared. */
  readonly filesChecked: number;
  /** Shares that are not in the folder any more, as it should be. */
  readonly handedOut: number;
  /** Shares that still lie in the folder, by their paths: whoever has the folder has them, too. */
  readonly left: readonly string[];
}

export interface VerifyOptions {
  readonly isRehearsal?: boolean;
  /** Fingerprints (`keyFingerprint`) of people who are known; absent: nobody is asked about. */
  readonly trustedKeys?: ReadonlySet<string>;
  /** Where it was carried out (`QuorumPolicy`), unless that had no quorum then. */
  readonly installation?: string;
}

/**
 * Verifies a ceremony from its folder, offline: the transcript (`parseTranscript`), every file of every
 * step, and the signatures of its witnesses, of whom there must be enough. With `trustedKeys` everybody
 * who approved or signed has one of them. Without, a transcript that somebody made up with keys of their
 * own is as good. INVALID_INPUT or FORBIDDEN with the reason.
 */
export async function verifyTranscript(
  transcriptFile: string,
  signatures: readonly WitnessSignature[],
  options: VerifyOptions = {},
): Promise<TranscriptVerdict> {
  const transcript = parseTranscript(await readText(transcriptFile), transcriptFile, options);
  const { ceremony } = transcript;
  const { installation = ceremony.installation } = options;
  if (ceremony.installation !== undefined && ceremony.installation !== installation) {
    throw new CertmillError('FORBIDDEN', `it is of the installation ${ceremony.installation}`);
  }
  const files = await verifyFiles(dirname(transcriptFile), transcript);
  const names = new Set<string>();
  for (const signature of signatures) {
    assertWitness(signature, transcript);
    if (names.has(signature.witness)) {
      throw new CertmillError('FORBIDDEN', `${signature.witness} signed twice`);
    }
    names.add(signature.witness);
  }
  const withRole = (role: 'witness' | 'auditor'): readonly string[] =>
    ceremony.participants
      .filter(({ name, roles }) => names.has(name) && roles.includes(role))
      .map(({ name }) => name);
  const witnesses = withRole('witness');
  if (witnesses.length < ceremony.quorum.witnesses) {
    throw new CertmillError(
      'FORBIDDEN',
      `${String(witnesses.length)} of ${String(ceremony.quorum.witnesses)} witnesses have signed`,
    );
  }
  const signers = signersOf(transcript, signatures);
  assertTrusted(signers, options.trustedKeys);
  return { transcript, witnesses, auditors: withRole('auditor'), signers, ...files };
}

function signersOf(
  { begin, ceremony }: Transcript,
  signatures: readonly WitnessSignature[],
): readonly Signer[] {
  const approvals = approvalsOf(ceremonyQuorum(ceremony), begin.approvals);
  return [
    ...approvals.map(({ approver, keySha256 }) => ({
      ...{ name: approver, part: 'approved' as const, keySha256 },
    })),
    ...observersOf(ceremony)
      .filter(({ name }) => signatures.some(({ witness }) => witness === name))
      .map(({ name, publicKey }) => ({
        ...{ name, part: 'signed' as const },
        keySha256: keyFingerprint(participantKeyOf(publicKey)),
      })),
  ];
}

function assertTrusted(
  signers: readonly Signer[],
  trustedKeys: ReadonlySet<string> | undefined,
): void {
  if (trustedKeys === undefined) return;
  const strangers = signers.filter(({ keySha256 }) => !trustedKeys.has(keySha256));
  if (strangers.length === 0) return;
  const people = strangers.map(({ name, keySha256 }) => `${name} (${keySha256})`);
  throw new CertmillError('FORBIDDEN', `these keys are not trusted: ${people.join(', ')}`);
}

function assertWitness(signature: WitnessSignature, transcript: Transcript): void {
  const { signature: bytes, ...statement } = signature;
  const refuse = (reason: string): never => {
    throw new CertmillError('FORBIDDEN', `the signature of ${signature.witness} ${reason}`);
  };
  const person = observersOf(transcript.ceremony).find(({ name }) => name === signature.witness);
  if (person === undefined) return refuse('is of no witness or auditor of this ceremony');
  if (!isSignedStatement('witness', statement, bytes, participantKeyOf(person.publicKey))) {
    return refuse('does not verify');
  }
  if (signature.transcriptSha256 !== transcript.sha256 || signature.head !== transcript.head) {
    return refuse('is over another transcript');
  }
}

async function verifyFiles(
  folder: string,
  { entries }: Transcript,
): Promise<Pick<TranscriptVerdict, 'filesChecked' | 'handedOut' | 'left'>> {
  let filesChecked = 0;
  let handedOut = 0;
  const left: string[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'step') continue;
    const stepFolder = stepFolderOf(folder, entry.step, entry.do);
    const records = [...entry.inputs, ...entry.outputs];
    for (const record of records) {
      const isThere = await isAsRecorded(stepFolder, record);
      if (isThere) filesChecked += 1;
      else handedOut += 1;
      if (isThere && record.isHandedOut === true) left.push(join(stepFolder, record.path));
    }
    await assertNoOthers(stepFolder, records);
  }
  return { filesChecked, handedOut, left };
}

/** False where it was handed out and is gone. INVALID_INPUT where it is another file, or missing. */
async function isAsRecorded(stepFolder: string, record: FileRecord): Promise<boolean> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(stepFolder, record.path));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') && record.isHandedOut === true) return false;
    throw new CertmillError('INVALID_INPUT', `${record.path} of the transcript is missing`, {
      cause,
    });
  }
  if (sha256Of(bytes) === record.sha256) return true;
  throw new CertmillError('INVALID_INPUT', `${record.path} is not what the transcript records`);
}

async function assertNoOthers(stepFolder: string, records: readonly FileRecord[]): Promise<void> {
  const known = new Set(records.map(({ path }) => path));
  let found: readonly string[];
  try {
    found = await filesBelow(stepFolder);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT') && records.length === 0) return;
    throw error;
  }
  const stranger = found.find((file) => /^(?:inputs|outputs)\//.test(file) && !known.has(file));
  if (stranger === undefined) return;
  throw new CertmillError('INVALID_INPUT', `${stranger} is not in the transcript`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (isCertmillError(cause)) throw cause;
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}

function refusal(fileName: string, reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `${fileName}: ${reason}`);
}
