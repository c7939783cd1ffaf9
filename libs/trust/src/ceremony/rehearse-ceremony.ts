import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import { approve, type Approver } from './approval.js';
import type { CeremonyFile } from './ceremony-file.js';
import { newOperationId } from './operation.js';
import { ceremonyOperation, ceremonyQuorum, participantsIn } from './parse-ceremony.js';
import { keyFingerprint, participantKeyOf } from './participant-keys.js';
import { readQuorumPolicy } from './quorum-policy.js';
import { RehearsalStage } from './rehearsal-stage.js';
import {
  assertInstallation,
  type CeremonyResult,
  type CeremonyRun,
  runCeremony,
} from './run-ceremony.js';
import { readTextOrUndefined } from './step-context.js';
import { parseTranscript, verifyTranscript, witnessTranscript } from './transcript.js';

export interface RehearsalOptions extends Pick<
  CeremonyRun,
  'ceremony' | 'dataDirectory' | 'software' | 'machine' | 'now' | 'readInput' | 'tell'
> {
  /** Empty, and the caller's to remove: throw-away keys lie in it. */
  readonly workDirectory: string;
}

/**
 * Plays a ceremony from the approvals to the signatures of its witnesses, by the code that carries it
 * out, with keys and people that are made up: CAs that the steps name, and those above them, get
 * stand-ins with everything that their certificates say. Nothing of the data folder is changed, and no
 * secret is asked for. Throws what the ceremony would.
 */
export async function rehearseCeremony(options: RehearsalOptions): Promise<CeremonyResult> {
  const { workDirectory, now } = options;
  await assertApprovable(options);
  const cast = new Map(options.ceremony.participants.map(({ name }) => [name, aPair()]));
  const stage = new RehearsalStage(workDirectory, { ...options, nowMs: now() });
  const ceremony = rehearsedCeremony(options, cast, await stage.prepare());
  const operation = ceremonyOperation(ceremony);
  const time = { nowMs: now(), expiresMs: now() + rehearsalMs };
  const approvals = participantsIn(ceremony, 'administrator')
    .slice(0, ceremony.quorum.approvals)
    .map(({ name }) => approve(operation, name, privateKeyIn(cast, name), time));
  const result = await runCeremony({
    ...options,
    ceremony,
    approvals,
    dataDirectory: workDirectory,
    custody: stage.custody,
    isRehearsal: true,
    readInput: (file) => stage.readInput(file),
  });
  const text = (await readTextOrUndefined(result.transcriptFile)) ?? '';
  const transcript = parseTranscript(text, result.transcriptFile, { isRehearsal: true });
  const signatures = participantsIn(ceremony, 'witness').map(({ name }) =>
    witnessTranscript(transcript, privateKeyIn(cast, name), now()),
  );
  await verifyTranscript(result.transcriptFile, signatures, { isRehearsal: true });
  return result;
}

/** The ceremony is for this folder, and its administrators are enough people of the folder's quorum. */
async function assertApprovable({ ceremony, dataDirectory }: RehearsalOptions): Promise<void> {
  const policy = await readQuorumPolicy(dataDirectory);
  assertInstallation(ceremony, policy);
  if (policy === undefined) return;
  const idOf = ({ name, publicKey }: Approver): string =>
    `${name} ${keyFingerprint(participantKeyOf(publicKey))}`;
  const administrators = new Set(ceremonyQuorum(ceremony).approvers.map(idOf));
  const known = policy.approvers.filter((approver) => administrators.has(idOf(approver)));
  if (known.length >= policy.threshold) return;
  const names = policy.approvers.map(({ name }) => name).join(', ');
  throw new CertmillError(
    'APPROVAL_REQUIRED',
    `the data folder asks for ${String(policy.threshold)} of ${names}, of whom ` +
      `${String(known.length)} are administrators of the ceremony by the keys that it knows`,
  );
}

const rehearsalMs = 3_600_000;

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}
type Cast = ReadonlyMap<string, Pair>;

function aPair(): Pair {
  return generateKeyPairSync('ed25519');
}

function privateKeyIn(cast: Cast, name: string): KeyObject {
  return pairIn(cast, name).privateKey;
}

function pairIn(cast: Cast, name: string): Pair {
  const pair = cast.get(name);
  if (pair === undefined) throw new CertmillError('FAULT_PROCESSING', `${name} is not in the cast`);
  return pair;
}

/** The same ceremony with made-up keys, now, under another id: its approvals are good for nothing else. */
function rehearsedCeremony(
  { ceremony, now }: RehearsalOptions,
  cast: Cast,
  steps: CeremonyFile['steps'],
): CeremonyFile {
  const instant = (ms: number): string =>
    new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace('.000Z', 'Z');
  const { name: ceremonyName, description, quorum } = ceremony;
  return {
    ...{ name: ceremonyName, description, quorum },
    id: newOperationId(),
    window: { notBefore: instant(now() - rehearsalMs), notAfter: instant(now() + rehearsalMs) },
    participants: ceremony.participants.map(({ name, roles }) => ({
      name,
      roles,
      publicKey: pairIn(cast, name).publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    })),
    steps,
  };
}
