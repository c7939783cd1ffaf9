import { setTimeout as pause } from 'node:timers/promises';

/** A process that can be started again. */
export interface Supervised {
  readonly name: string;
  start(): void;
  /** Resolves to the exit code of what runs now, null where it was killed. */
  whenEnded(): Promise<number | null>;
}

export interface SupervisorOptions {
  /** Told of each death and of what follows. */
  readonly say: (text: string) => void;
  readonly nowMs?: () => number;
  /** False where the signal came first. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<boolean>;
}

const firstPauseMs = 1_000;
const longestPauseMs = 15_000;
/** One that ends so often in so long is left alone: starting it again does not help. */
const mostEnds = 6;
const withinMs = 120_000;

/** Starts services again that end, with growing pauses, as an orchestrator would. */
export class FleetSupervisor {
  readonly #options: Required<SupervisorOptions>;
  readonly #stopping = new AbortController();

  constructor(options: SupervisorOptions) {
    this.#options = { nowMs: () => performance.now(), pause: pauseUnlessStopped, ...options };
  }

  /** MUST come before services are stopped. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Of a service that runs; resolves when it is watched no more. */
  async watch(service: Supervised): Promise<void> {
    const { say, nowMs } = this.#options;
    const { signal } = this.#stopping;
    let ends: number[] = [];
    for (;;) {
      const code = await service.whenEnded();
      if (signal.aborted) return;
      ends = [...ends.filter((atMs) => nowMs() - atMs < withinMs), nowMs()];
      const how = code === null ? 'was killed' : `ended with ${String(code)}`;
      if (ends.length >= mostEnds) {
        say(`${service.name} ${how}, ${String(mostEnds)} times of late: it is left alone`);
        return;
      }
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (ends.length - 1));
      say(`${service.name} ${how}: it is started again in ${String(pauseMs / 1_000)} s`);
      if (!(await this.#options.pause(pauseMs, signal))) return;
      service.start();
    }
  }
}

async function pauseUnlessStopped(ms: number, signal: AbortSignal): Promise<boolean> {
  return pause(ms, true, { signal }).catch(() => false);
}
