/** Prometheus gives a scrape 10 s; one reading that hangs must not cost all the others. */
const patienceMs = 2_000;

/** What is read for a scrape; undefined where it fails or takes too long. Never rejects. */
export async function readOf<T>(
  read: () => T | Promise<T>,
  withinMs = patienceMs,
): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, withinMs, undefined);
  });
  try {
    return await Promise.race([read(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** The same reading for all who ask within `ttlMs`, and one at a time: a scrape is no load. */
export function cached<T>(
  read: () => Promise<T>,
  ttlMs: number,
  nowMs: () => number = () => performance.now(),
): () => Promise<T> {
  let reading: Promise<T> | undefined;
  let staleAtMs = Infinity;
  return () => {
    if (reading !== undefined && nowMs() < staleAtMs) return reading;
    staleAtMs = Infinity;
    const begun = read();
    const settle = (): void => {
      staleAtMs = nowMs() + ttlMs;
    };
    begun.then(settle, settle);
    reading = begun;
    return begun;
  };
}
