import { Pace } from './pace.js';
import { describeProgress } from './describe-progress.js';
import type { Progress, ProgressState } from './progress.js';

/** Logs of CI keep every line: few are better. */
const gapMs = 2_000;

/** Progress as lines, at most one in two seconds, and a last one with the end state. */
export function openPlainLines(writeLine: (line: string) => void, label: string): Progress {
  const pace = new Pace();
  let saidAtMs = performance.now();
  let state: ProgressState | undefined;
  let isStopped = false;
  const say = (nowMs: number): void => {
    if (state !== undefined) writeLine(describeProgress(label, state, pace, nowMs));
  };
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    say(performance.now());
  };
  return {
    update(next) {
      state = next;
      const nowMs = performance.now();
      pace.note(next, nowMs);
      if (isStopped || nowMs - saidAtMs < gapMs) return;
      saidAtMs = nowMs;
      say(nowMs);
    },
    clear: () => undefined,
    stop,
    [Symbol.dispose]: stop,
  };
}
