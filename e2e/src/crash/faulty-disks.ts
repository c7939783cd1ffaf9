import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writevSync,
} from 'node:fs';
import { nodeDisk, type Disk, type DiskFile, type StoreDisk } from '@certmill/adapter-embedded';

/** The steps that make the way of a chunk durable, in their order. */
export const diskSteps = [
  'commit:openBatch',
  'commit:registerChunk',
  'log:write',
  'log:datasync',
  'commit:confirmChunk',
  'commit:completeUpload',
  'commit:decide',
  'store:write',
  'store:fdatasync',
  'commit:publish',
] as const;
export type DiskStep = (typeof diskSteps)[number];

export type DiskFaultMode =
  /** Not done, and a failure reported. */
  | 'fails'
  /** Done, and a failure reported. */
  | 'persists'
  | 'killed-before'
  | 'killed-after';

const diskKillModes = ['killed-after', 'killed-before'] as const;

export interface DiskFault {
  readonly step: DiskStep;
  readonly mode: DiskFaultMode;
  readonly code: 'EIO' | 'ENOSPC';
  /** True: again and again, until it is taken back; otherwise the next time only. */
  readonly lasts: boolean;
}

/**
 * A kill right before or right after each step. The first half takes every step once, now before
 * and now after it; the second half the other way round.
 */
export const diskKills: readonly DiskFault[] = diskKillModes.flatMap((mode, half) =>
  diskSteps.map((step, i) => ({
    step,
    mode: i % 2 === 0 ? mode : diskKillModes[1 - half]!,
    code: 'EIO',
    lasts: false,
  })),
);

/** Arms the disks that look at the file, in whatever thread or process they are. */
export function armDisks(controlFile: string, fault: DiskFault): void {
  writeFileSync(controlFile, JSON.stringify(fault));
}

export function disarmDisks(controlFile: string): void {
  rmSync(controlFile, { force: true });
}

/** False once a fault that does not last has happened. */
export function isArmed(controlFile: string): boolean {
  return existsSync(controlFile);
}

/** The armed fault, where it concerns one of the steps that are being done. */
function dueAt(controlFile: string, steps: readonly string[]): DiskFault | undefined {
  if (!existsSync(controlFile)) return undefined;
  const fault = JSON.parse(readFileSync(controlFile, 'utf8')) as DiskFault;
  if (!steps.includes(fault.step)) return undefined;
  if (!fault.lasts) disarmDisks(controlFile);
  return fault;
}

function failureOf({ step, code }: DiskFault): Error {
  return Object.assign(new Error(`${step} was made to fail`), { code });
}

function killIf(fault: DiskFault, mode: DiskFaultMode): void {
  if (fault.mode === mode) process.kill(process.pid, 'SIGKILL');
}

function perform<T>(controlFile: string, steps: readonly string[], act: () => T): T {
  const fault = dueAt(controlFile, steps);
  if (fault === undefined) return act();
  killIf(fault, 'killed-before');
  if (fault.mode === 'fails') throw failureOf(fault);
  const done = act();
  killIf(fault, 'killed-after');
  if (fault.mode === 'persists') throw failureOf(fault);
  return done;
}

/** For `IssuanceOverrides.logDisk`: the segment files of the log; offsets are left alone. */
export function faultyLogDisk(controlFile: string): Disk {
  const wrap = (file: DiskFile, path: string): DiskFile =>
    path.endsWith('.log') ? new FaultyFile(file, controlFile) : file;
  return {
    ...nodeDisk,
    create: async (path) => wrap(await nodeDisk.create(path), path),
    open: async (path) => wrap(await nodeDisk.open(path), path),
  };
}

class FaultyFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #controlFile: string;

  constructor(file: DiskFile, controlFile: string) {
    this.#file = file;
    this.#controlFile = controlFile;
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    return this.#later('log:write', () => this.#file.write(parts, position));
  }

  datasync(): Promise<void> {
    return this.#later('log:datasync', () => this.#file.datasync());
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position);
  }

  truncate(length: number): Promise<void> {
    return this.#file.truncate(length);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #later(step: DiskStep, act: () => Promise<void>): Promise<void> {
    const fault = dueAt(this.#controlFile, [step]);
    if (fault === undefined) return act();
    killIf(fault, 'killed-before');
    if (fault.mode === 'fails') throw failureOf(fault);
    await act();
    killIf(fault, 'killed-after');
    if (fault.mode === 'persists') throw failureOf(fault);
  }
}

/** For `IssuanceOverrides.storeDiskModule`: this module, with the control file in its URL. */
export function faultyStoreDiskModule(controlFile: string): string {
  const url = new URL(import.meta.url);
  url.searchParams.set('control', controlFile);
  return url.href;
}

const ownControlFile = new URL(import.meta.url).searchParams.get('control') ?? '';

export const storeDisk: StoreDisk = {
  create: (path) => openSync(path, 'wx+'),
  syncDirectory(directory) {
    const descriptor = openSync(directory, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
  },
  write: (descriptor, bytes, position) =>
    perform(ownControlFile, ['store:write'], () => writevSync(descriptor, bytes, position)),
  fdatasync: (descriptor) => {
    perform(ownControlFile, ['store:fdatasync'], () => {
      fdatasyncSync(descriptor);
    });
  },
  close: closeSync,
  commit: (operations, commit) => {
    const steps = operations.map((operation) => `commit:${operation}`);
    perform(ownControlFile, steps, commit);
  },
};
