import type { ServerResponse } from 'node:http';

/** How fast an answer is to be taken that is long, and anybody may ask for. */
export interface ReadingPace {
  /** A client that takes nothing for so long is cut. */
  readonly idleReaderMs: number;
  /** One that takes it more slowly, on average and beyond `idleReaderMs`, is cut too. */
  readonly minReaderBytesPerSecond: number;
}

/** 64 kbit/s. */
export const defaultReadingPace: ReadingPace = {
  idleReaderMs: 30_000,
  minReaderBytesPerSecond: 8_192,
};

/**
 * Cuts the connection of an answer whose client takes it too slowly: somebody else waits for its place. That
 * it takes nothing at all is for the time-out of the connection to find.
 */
export function cutSlowReader(
  response: ServerResponse,
  wholeBytes: number,
  { idleReaderMs, minReaderBytesPerSecond }: ReadingPace,
): void {
  const timeoutMs = idleReaderMs + (wholeBytes / minReaderBytesPerSecond) * 1_000;
  const timer = setTimeout(() => response.destroy(), timeoutMs);
  response.once('close', () => clearTimeout(timer));
}
