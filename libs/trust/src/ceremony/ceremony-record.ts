import { hash } from 'node:crypto';
import { canonicalJson, CertmillError } from '@certmill/domain';
import type { Approval } from './approval.js';
import type { CeremonyFile, InputFile } from './ceremony-file.js';

/** A file that went in or came out, as it was then. */
export interface FileRecord {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Custodians take it away: an auditor does not find it any more. */
  readonly isHandedOut?: true;
}

/** What a step changes in the data folder, once its record is durable; each can be done again. */
export type Effect =
  /** A folder that was not there, such as `ca/root`. */
  | { readonly kind: 'install'; readonly path: string; readonly files: readonly FileRecord[] }
  /** A file, new or in the place of the one before. */
  | {
      readonly kind: 'put';
      readonly path: string;
      readonly sha256: string;
      /** SHA-256 of the file before; absent where there was none. */
      readonly replaces?: string;
    }
  /** A file is overwritten and removed. */
  | {
      readonly kind: 'destroy';
      readonly path: string;
      readonly sha256: string;
      readonly bytes: number;
    };

/** The program that ran. */
export interface SoftwareFacts {
  readonly version: string;
  readonly commit?: string;
  /** SHA-256 of the canonical `packages`. */
  readonly codeSha256: string;
  /** All packages that it and they declare, whether or not it loaded them. */
  readonly packages: readonly PackageFacts[];
  /** SHA-256 of the node program. Libraries of the system are not in it. */
  readonly nodeSha256: string;
}

/** A package as it was installed. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  /** Of all of its files (`installedPackages`). */
  readonly sha256: string;
}

/** The machine, without anything that identifies it or its owner. */
export interface MachineFacts {
  readonly platform: string;
  readonly architecture: string;
  readonly node: string;
  readonly openssl: string;
  /** How many network interfaces were up, besides loopback. */
  readonly networkInterfaces: number;
}

interface EntryHead {
  /** SHA-256 of the canonical entry before; 64 zeros of the first. */
  readonly previous: string;
  readonly at: string;
}

export interface BeginEntry extends EntryHead {
  readonly kind: 'begin';
  readonly runId: string;
  readonly isRehearsal: boolean;
  readonly ceremony: CeremonyFile;
  readonly ceremonySha256: string;
  readonly approvals: readonly Approval[];
  readonly software: SoftwareFacts;
  readonly machine: MachineFacts;
}

export interface StepEntry extends EntryHead {
  readonly kind: 'step';
  /** From 1. */
  readonly step: number;
  readonly do: string;
  readonly startedAt: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly inputs: readonly FileRecord[];
  readonly outputs: readonly FileRecord[];
  readonly effects: readonly Effect[];
}

export interface EffectsEntry extends EntryHead {
  readonly kind: 'effects';
  readonly step: number;
  /** One line of evidence for each effect. */
  readonly done: readonly string[];
}

export interface EndEntry extends EntryHead {
  readonly kind: 'end';
}

/** What happened, each entry chained to the one before by its hash. */
export type TranscriptEntry = BeginEntry | StepEntry | EffectsEntry | EndEntry;

export const noEntry = '0'.repeat(64);

export function entryHash(entry: TranscriptEntry): string {
  return hash('sha256', canonicalJson(entry), 'hex');
}

export function sha256Of(bytes: string | Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** INVALID_INPUT where an input is not the file that was approved. */
export function assertApproved(bytes: Uint8Array, { file, sha256 }: InputFile): void {
  const found = sha256Of(bytes);
  if (found === sha256) return;
  throw new CertmillError(
    'INVALID_INPUT',
    `${file} is not what was approved: its SHA-256 is ${found}, approved is ${sha256}`,
  );
}
