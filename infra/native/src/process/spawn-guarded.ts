import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';

/**
 * The kernel kills the child when its parent ends, also by SIGKILL; the shell sees to a parent that
 * ended before the kernel was told. It replaces itself: the pid is the command's.
 */
const guard = ['--pdeathsig', 'KILL', 'sh', '-c', 'test "$PPID" = "$0" && exec "$@"'];

/**
 * Starts a child that does not outlive this process. It has a session of its own, so that Ctrl-C
 * reaches the parent only, which stops its children in order. MUST be called on a thread that lasts
 * as long as the child may: the kernel's "parent" is the thread.
 */
export function spawnGuarded(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  return spawn('setpriv', [...guard, String(process.pid), command, ...args], {
    ...options,
    detached: true,
  });
}
