import type { TargetProcess } from './target.js';

/** The memory of the server's processes at one moment of the run, together. */
export interface Sample {
  readonly atSeconds: number;
  readonly rssMiB: number;
}

/** What one process took during the run. */
export interface ProcessUse {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly maxRssMiB: number;
}

export interface Usage {
  readonly samples: readonly Sample[];
  /** Of those that have answered. */
  readonly processes: readonly ProcessUse[];
}

/** What a process says of itself. */
export interface Reading {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

const everyMs = 1_000;
const mebibyte = 1_048_576;

/** Asks each process for its metrics each second until it is stopped; what does not answer is left out. */
export function sampleTarget(
  processes: readonly TargetProcess[],
  key: string,
): { stop(): Promise<Usage> } {
  const begun = performance.now();
  const samples: Sample[] = [];
  const uses = processes.map(({ name }) => new ProcessSum(name));
  const stopping = new AbortController();
  const sample = async (): Promise<void> => {
    const readings = await Promise.all(processes.map(({ metricsUrl }) => read(metricsUrl, key)));
    for (const [i, reading] of readings.entries()) uses[i]?.add(reading);
    const known = readings.filter((each) => each !== undefined);
    if (known.length < processes.length) return;
    const rssBytes = known.reduce((sum, each) => sum + each.rssBytes, 0);
    const atSeconds = (performance.now() - begun) / 1_000;
    samples.push({ atSeconds: rounded(atSeconds), rssMiB: rounded(rssBytes / mebibyte) });
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sample();
      await pause(everyMs, stopping.signal);
    }
    await sample();
  };
  const running = loop();
  return {
    async stop() {
      stopping.abort();
      await running;
      return { samples, processes: uses.flatMap((each) => each.use ?? []) };
    },
  };
}

/** One process over the run; one that began anew counts its CPU time from 0. */
export class ProcessSum {
  readonly #name: string;
  #last: number | undefined;
  #cpuSeconds = 0;
  #maxRssBytes = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add(reading: Reading | undefined): void {
    if (reading === undefined) return;
    const { cpuSeconds, rssBytes } = reading;
    const last = this.#last ?? cpuSeconds;
    this.#cpuSeconds += cpuSeconds >= last ? cpuSeconds - last : cpuSeconds;
    this.#last = cpuSeconds;
    this.#maxRssBytes = Math.max(this.#maxRssBytes, rssBytes);
  }

  /** Undefined where nothing was read. */
  get use(): ProcessUse | undefined {
    if (this.#last === undefined) return undefined;
    return {
      name: this.#name,
      cpuSeconds: rounded(this.#cpuSeconds),
      maxRssMiB: rounded(this.#maxRssBytes / mebibyte),
    };
  }
}

/** Of prom-client's text format; undefined where a metric is missing. */
export function readingIn(metrics: string): Reading | undefined {
  const value = (name: string): number | undefined => {
    const found = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(metrics)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const cpuSeconds = value('process_cpu_seconds_total');
  const rssBytes = value('process_resident_memory_bytes');
  return cpuSeconds === undefined || rssBytes === undefined ? undefined : { cpuSeconds, rssBytes };
}

async function read(url: string, key: string): Promise<Reading | undefined> {
  try {
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(10 * everyMs),
    });
    return readingIn(await answer.text());
  } catch {
    return undefined;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  signal.addEventListener('abort', () => resolve(undefined), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
