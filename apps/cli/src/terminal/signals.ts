import { exitCodes } from './exit-codes.js';

const endTimeoutMs = 10_000;

/**
 * The first SIGINT or SIGTERM asks the running command to stop, the second ends the process at once.
 * @param beforeExit puts the screen in order.
 */
export function stopSignal(beforeExit: () => void): AbortSignal {
  const stopping = new AbortController();
  const onSignal = (): void => {
    if (stopping.signal.aborted) {
      beforeExit();
      process.exit(exitCodes.interrupted);
    }
    stopping.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stopping.signal;
}

/** A reader that has seen enough (`certmill ... | head`) ends the process quietly. */
export function endQuietlyOnBrokenPipe(): void {
  process.stdout.on('error', endOrThrow);
  process.stderr.on('error', endOrThrow);
}

/**
 * A command that is done ends, also where a library has left something open that would keep it: then it says
 * what that is. What is written waits for its reader (`certmill ... | less`), however long.
 */
export function endAtLast(timeoutMs = endTimeoutMs): void {
  setTimeout(() => {
    if (process.stdout.writableLength + process.stderr.writableLength > 0) {
      endAtLast(timeoutMs);
      return;
    }
    const left = process.getActiveResourcesInfo().join(', ');
    process.stderr.write(`warning: ended with resources left open: ${left}\n`, () =>
      process.exit(),
    );
  }, timeoutMs).unref();
}

function endOrThrow(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}
