/** The memory of the server's processes at one moment of the run, together. */
export interface Sample {
  readonly atSeconds: number;
  readonly rssMiB: number;
}

const everyMs = 1_000;
const mebibyte = 1_048_576;

/** Asks the server's metrics each second until it is stopped; what does not answer is left out. */
export function sampleTarget(
  metricsUrls: readonly string[],
  key: string,
): { stop(): Promise<readonly Sample[]> } {
  const begun = performance.now();
  const samples: Sample[] = [];
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const bytes = await Promise.all(metricsUrls.map((url) => residentBytes(url, key)));
      const known = bytes.filter((each) => each !== undefined);
      if (known.length === metricsUrls.length) {
        const rssBytes = known.reduce((sum, each) => sum + each, 0);
        const atSeconds = (performance.now() - begun) / 1_000;
        samples.push({ atSeconds: round(atSeconds), rssMiB: round(rssBytes / mebibyte) });
      }
      await pause(everyMs, stopping.signal);
    }
  };
  const running = loop();
  return {
    async stop() {
      stopping.abort();
      await running;
      return samples;
    },
  };
}

/** Of prom-client's text format. */
export function residentBytesIn(metrics: string): number | undefined {
  const value = /^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
  return value === undefined ? undefined : Number(value);
}

async function residentBytes(url: string, key: string): Promise<number | undefined> {
  try {
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(10 * everyMs),
    });
    return residentBytesIn(await answer.text());
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

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
