/** What still waits to be written to a pipe gets this long. */
const flushMs = 1_000;

/**
 * Ends the process with `code` although threads of it hang in native code. `process.exit` waits for
 * every thread to end; replacing the program does not, and unlike a signal it also ends the first
 * process of a container, which the kernel spares its own signals.
 * @param flush writes what else is waiting, such as lines of a log.
 */
export async function endProcess(
  code: number,
  flush: () => Promise<void> = () => Promise.resolve(),
): Promise<never> {
  await Promise.race([
    Promise.allSettled([flushed(process.stdout), flushed(process.stderr), flush()]),
    new Promise((resolve) => setTimeout(resolve, flushMs)),
  ]);
  replaceProcess(code);
  return new Promise<never>(() => undefined);
}

/** The same at once: what waits to be written is lost. */
export function replaceProcess(code: number): void {
  const { execPath } = process;
  const program = `process.exit(${String(Math.trunc(code))})`;
  try {
    process.execve?.(execPath, [execPath, '-e', program], {});
  } catch {
    // The program file is gone, or this system cannot replace a process.
  }
  process.kill(process.pid, 'SIGKILL');
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}
