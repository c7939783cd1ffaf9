/** What still waits to be written to a pipe gets this long. */
const flushMs = 1_000;

/**
 * Ends the process with `code` although threads of it hang in native code. `process.exit` waits for
 * every thread to end; replacing the program does not, and unlike a signal it also ends the first
 * process of a container, which the kernel spares its own signals.
 */
export async function endProcess(code: number): Promise<never> {
  await Promise.race([
    Promise.all([flushed(process.stdout), flushed(process.stderr)]),
    new Promise((resolve) => setTimeout(resolve, flushMs)),
  ]);
  const { execPath } = process;
  const program = `process.exit(${String(Math.trunc(code))})`;
  try {
    process.execve?.(execPath, [execPath, '-e', program], {});
  } catch {
    // The program file is gone, or this system cannot replace a process.
  }
  process.kill(process.pid, 'SIGKILL');
  return new Promise<never>(() => undefined);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}
