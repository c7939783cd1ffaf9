import { SingleBar } from 'cli-progress';
import { describeProgress } from './describe-progress.js';
import { Pace } from './pace.js';
import type { Progress, ProgressState } from './progress.js';
import type { OutputStream } from './output-stream.js';

const drawsPerSecond = 10;
const barColumns = 24;
const clearLine = '\r\u001B[2K';

/** Progress as a bar in the last line of a terminal. */
export function openBar(stream: OutputStream, label: string): Progress {
  const pace = new Pace();
  let state: ProgressState = { done: 0 };
  let isStopped = false;
  const bar = new SingleBar({
    stream,
    fps: drawsPerSecond,
    hideCursor: true,
    forceRedraw: true,
    // The frame handles signals and stops the bar itself.
    gracefulExit: false,
    format: () => lineOf(label, state, pace, columnsOf(stream)),
  });
  bar.start(1, 0);
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    bar.stop();
  };
  return {
    update(next) {
      state = next;
      pace.note(next, performance.now());
    },
    clear() {
      if (!isStopped) stream.write(clearLine);
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

/** A pseudo-terminal without a window has 0 columns. */
function columnsOf({ columns }: OutputStream): number {
  return columns === undefined || columns === 0 ? 80 : columns;
}

function lineOf(label: string, state: ProgressState, pace: Pace, columns: number): string {
  const text = describeProgress(label, state, pace, performance.now());
  const room = columns - text.length - 9;
  if (state.total === undefined || room < 5) return text.slice(0, columns - 1);
  const share = state.total === 0 ? 1 : Math.min(1, state.done / state.total);
  const width = Math.min(barColumns, room);
  const full = Math.round(share * width);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${percent} % ${text}`;
}
