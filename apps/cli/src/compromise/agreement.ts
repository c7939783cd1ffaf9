import { waits } from './step-context.js';

/**
 * So many answers in a row, each over a connection of its own: of two ingests behind one address that are
 * taken at random, one that says otherwise is missed once in 65,000 times, of three once in 650; where they
 * are taken in turn, none of sixteen is.
 */
const agreeingAnswers = 16;
const betweenAgreeingMs = 50;

/** Asks one of several again and again, which of them is not known, until all are likely to agree. */
export interface Agreeing<T> {
  readonly ask: () => Promise<T>;
  readonly isSo: (answer: T) => boolean;
  /** After an answer that says otherwise. */
  readonly pauseMs: number;
  readonly wait: (ms: number) => Promise<void>;
  readonly elapsedMs: () => number;
  /** Answers that agree are waited for beyond it. */
  readonly timeoutSeconds: number;
  /** What it waited for, after an answer that says otherwise. */
  readonly missing: (answer: T) => Promise<string> | string;
}

/** STEP_WAITS where one says otherwise once the time is over. */
export async function untilAgreed<T>(agreeing: Agreeing<T>): Promise<void> {
  const { ask, isSo, pauseMs, wait, elapsedMs, timeoutSeconds, missing } = agreeing;
  const endMs = elapsedMs() + timeoutSeconds * 1_000;
  let answers = 0;
  let otherwise = 0;
  for (let inRow = 0; ;) {
    const answer = await ask();
    answers += 1;
    if (isSo(answer)) {
      inRow += 1;
      if (inRow === agreeingAnswers) return;
      await wait(betweenAgreeingMs);
      continue;
    }
    inRow = 0;
    otherwise += 1;
    if (elapsedMs() + pauseMs > endMs) {
      const share =
        otherwise === answers
          ? ''
          : ` (${String(otherwise)} of ${String(answers)} answers said so, of several servers at one address)`;
      throw waits(`${await missing(answer)}${share} after ${String(timeoutSeconds)} s (--timeout)`);
    }
    await wait(pauseMs);
  }
}
