import type { TargetProcess } from './target.js';

/** The server at one moment of the run. */
export interface Sample {
  readonly atSeconds: number;
  /** That became durable since the first sample. */
  readonly requests: number;
  /** Chunks that wait or are worked on, in all stages; null where the log could not say. */
  readonly lagChunks: number | null;
  /** In the order of the processes. */
  readonly processRssMiB: readonly number[];
}

/** What one process took during the run. */
export interface ProcessUse {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly maxRssMiB: number;
  /** Its counters began from 0 during the run. */
  readonly hasBegunAnew: boolean;
}

export interface Usage {
  /** Of the moments at which all processes answered. */
  readonly samples: readonly Sample[];
  /** Of those that have answered. */
  readonly processes: readonly ProcessUse[];
}

/** What a process says of itself. */
export interface Reading {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** That it made durable in the log: of ingest, and of a server that is all roles. */
  readonly requests: number;
  /** Chunks by topic and group, of those that it watches. */
  readonly lags: ReadonlyMap<string, number>;
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
    samples.push({
      atSeconds: rounded((performance.now() - begun) / 1_000),
      requests: uses.reduce((sum, each) => sum + each.requests, 0),
      lagChunks: lagOf(known),
      processRssMiB: known.map(({ rssBytes }) => rounded(rssBytes / mebibyte)),
    });
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

/** One process over the run; one that began anew counts from 0. */
export class ProcessSum {
  readonly #name: string;
  #last: Reading | undefined;
  #cpuSeconds = 0;
  #requests = 0;
  #maxRssBytes = 0;
  #hasBegunAnew = false;

  constructor(name: string) {
    this.#name = name;
  }

  add(reading: Reading | undefined): void {
    if (reading === undefined) return;
    const last = this.#last ?? reading;
    const isNew = reading.cpuSeconds < last.cpuSeconds;
    this.#cpuSeconds += reading.cpuSeconds - (isNew ? 0 : last.cpuSeconds);
    this.#requests += reading.requests - (isNew ? 0 : last.requests);
    this.#hasBegunAnew ||= isNew;
    this.#last = reading;
    this.#maxRssBytes = Math.max(this.#maxRssBytes, reading.rssBytes);
  }

  /** Since the first reading. */
  get requests(): number {
    return this.#requests;
  }

  /** Undefined where nothing was read. */
  get use(): ProcessUse | undefined {
    if (this.#last === undefined) return undefined;
    return {
      name: this.#name,
      cpuSeconds: rounded(this.#cpuSeconds),
      maxRssMiB: rounded(this.#maxRssBytes / mebibyte),
      hasBegunAnew: this.#hasBegunAnew,
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
  if (cpuSeconds === undefined || rssBytes === undefined) return undefined;
  const samplesOf = (name: string) =>
    metrics.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\S+)$`, 'gm'));
  return {
    cpuSeconds,
    rssBytes,
    requests: [...samplesOf('certmill_ingest_requests_total')].reduce(
      (sum, [, , count]) => sum + Number(count),
      0,
    ),
    lags: new Map(
      [...samplesOf('certmill_log_lag_chunks')].map(([, labels = '', lag]) => [
        labels,
        Number(lag),
      ]),
    ),
  };
}

/** Several processes tell the lag of the same group, each as it read it last. */
export function lagOf(readings: readonly Pick<Reading, 'lags'>[]): number | null {
  const lags = new Map<string, number>();
  for (const [group, lag] of readings.flatMap((each) => [...each.lags])) {
    lags.set(group, Math.max(lags.get(group) ?? 0, lag));
  }
  return lags.size === 0 ? null : [...lags.values()].reduce((sum, lag) => sum + lag, 0);
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
