// Key ceremonies; apart, for they bring YAML, zod and Shamir's scheme along.
export {
  ceremonyFileJsonSchema,
  inputsOf,
  type InputFile,
  participantRoles,
  type CeremonyFile,
  type CeremonyStep,
  type StepOf,
  type Participant,
} from './ceremony/ceremony-file.js';
export {
  ceremonyOperation,
  ceremonyQuorum,
  parseCeremony,
  participantsIn,
} from './ceremony/parse-ceremony.js';
export { draftCeremony, type CeremonyDraft } from './ceremony/write-ceremony.js';
export type { CeremonyResult, CeremonyProgress, CeremonyRun } from './ceremony/run-ceremony.js';
export { runCeremony } from './ceremony/run-ceremony.js';
export { rehearseCeremony, type RehearsalOptions } from './ceremony/rehearse-ceremony.js';
export {
  codeHash,
  installedPackages,
  nodeHash,
  machineFacts,
  outwardInterfaces,
} from './ceremony/running-software.js';
export { assertNoneComesBack, viewInput, type InputView } from './ceremony/view-input.js';
export { ceremonyFolderOf } from './ceremony/ceremony-folder.js';
export type {
  MachineFacts,
  SoftwareFacts,
  StepEntry,
  TranscriptEntry,
} from './ceremony/ceremony-record.js';
export { parseKeyShare, type CustodianSecret, type KeyShare } from './ceremony/key-share.js';
export { sealedKeyFileName, type Custody } from './ceremony/step-context.js';
export {
  parseTranscript,
  parseWitnessSignature,
  verifyTranscript,
  witnessFileEnding,
  witnessTranscript,
  type TranscriptVerdict,
  type VerifyOptions,
  type WitnessSignature,
} from './ceremony/transcript.js';
