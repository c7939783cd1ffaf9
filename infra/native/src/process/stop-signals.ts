/** npm hands on a signal that the terminal has sent to all: one Ctrl-C comes twice. */
const sameSignalMs = 1_000;

/**
 * The first SIGINT or SIGTERM is for a stop in order, a later one for an end at once. Not by `once`:
 * libraries that clean up at signals end a process that has no listener any more when they look.
 */
export function onStopSignals(first: () => void, later: () => void): void {
  let firstAt: number | undefined;
  const onSignal = (): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      first();
    } else if (performance.now() - firstAt > sameSignalMs) {
      later();
    }
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
}
