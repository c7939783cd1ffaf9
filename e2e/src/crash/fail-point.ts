import { openSync, writeSync } from 'node:fs';
import { chunkIdOf, type ChunkRef } from '@certmill/domain';

/**
 * Where the server can be made to die, by what is going on there: in each stage with a chunk in
 * hand, or between an effect and the offset that says it was done. A run takes one of each in turn,
 * so what tells most about the invariants comes first and is in the shortest run.
 */
export const failPoints = {
  offset: ['publish:handled', 'publish:after', 'sign:handled', 'validate:handled'],
  sign: ['signature:after', 'sign:end', 'signature:before', 'sign:begin'],
  ingest: [
    'append:after',
    'register:after',
    'confirm:before',
    'register:before',
    'append:before',
    'confirm:after',
  ],
  publish: ['publish:before', 'publish:begin'],
  validate: ['decide:after', 'decide:before', 'verdict:after', 'validate:begin', 'verdict:before'],
} as const;

export type FailPointKind = keyof typeof failPoints;
export type FailPointName = (typeof failPoints)[FailPointKind][number];

export const failPointKinds = Object.keys(failPoints) as FailPointKind[];

export function kindOf(name: FailPointName): FailPointKind {
  return failPointKinds.find((kind) => (failPoints[kind] as readonly string[]).includes(name))!;
}

/** The order to die: at the `hit`th time that the point is reached. */
export interface ArmedFailPoint {
  readonly name: FailPointName;
  readonly hit: number;
  /** The process reports and lives on until it is killed, with what reached the point stuck. */
  readonly lingers: boolean;
  /** The process reports and stops (SIGSTOP); when it goes on, so does what reached the point. */
  readonly pauses?: boolean;
}

/** What a process says before it dies or lingers, one JSON line each. */
export interface FailPointReport {
  readonly point: FailPointName;
  /** The chunk, or the request of a signature, that was in hand. */
  readonly inHand: string;
}

/** One thread's fail-point, where it is armed with one; otherwise reaching points does nothing. */
export class FailPoint {
  readonly #armed: ArmedFailPoint | undefined;
  readonly #report: number;
  #hitsLeft: number;

  constructor(armed: ArmedFailPoint | undefined, reportFile: string) {
    this.#armed = armed;
    this.#report = openSync(reportFile, 'a');
    this.#hitsLeft = armed?.hit ?? 0;
  }

  /** Resolves where the point is not the armed one; never resolves where it is. */
  async reach(name: FailPointName, chunk: ChunkRef | undefined): Promise<void> {
    if (!this.#isDue(name)) return;
    this.#tell(name, chunk === undefined ? '' : chunkIdOf(chunk));
    if (this.#armed?.pauses === true) {
      process.kill(process.pid, 'SIGSTOP');
      return;
    }
    if (this.#armed?.lingers !== true) die();
    await new Promise<never>(() => undefined);
  }

  /** For threads that must not wait: they do not linger. */
  reachNow(name: FailPointName, inHand: string): void {
    if (!this.#isDue(name)) return;
    this.#tell(name, inHand);
    die();
  }

  #isDue(name: FailPointName): boolean {
    if (name !== this.#armed?.name) return false;
    this.#hitsLeft -= 1;
    return this.#hitsLeft === 0;
  }

  #tell(point: FailPointName, inHand: string): void {
    // A page that the kernel took outlives the process; only a power cut would lose it.
    writeSync(this.#report, `${JSON.stringify({ point, inHand } satisfies FailPointReport)}\n`);
  }
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}
