import { nodeStoreDisk, type StoreDisk } from './store-disk.js';

/**
 * A store disk of which one step goes wrong once. Which one stands in the query of the module's URL:
 * `step` is write, fdatasync, or commit:<operation>; `at` counts its calls from 1; `mode` is
 * - fails: the step is not done and reports a failure,
 * - persists: the step is done and reports a failure,
 * - killed-before, killed-after: the process dies before or after the step.
 */
const { searchParams } = new URL(import.meta.url);
const wanted = searchParams.get('step');
const mode = searchParams.get('mode');
let callsLeft = Number(searchParams.get('at'));

function failure(step: string): Error {
  return Object.assign(new Error(`${step} was made to fail`), {
    code: step === 'write' ? 'ENOSPC' : 'EIO',
  });
}

function perform<T>(steps: readonly string[], action: () => T): T {
  if (wanted === null || !steps.includes(wanted) || (callsLeft -= 1) !== 0) return action();
  if (mode === 'killed-before') process.kill(process.pid, 'SIGKILL');
  if (mode === 'fails') throw failure(wanted);
  const result = action();
  if (mode === 'killed-after') process.kill(process.pid, 'SIGKILL');
  if (mode === 'persists') throw failure(wanted);
  return result;
}

export const storeDisk: StoreDisk = {
  ...nodeStoreDisk,
  write: (fd, bytes, position) =>
    perform(['write'], () => nodeStoreDisk.write(fd, bytes, position)),
  fdatasync: (fd) => {
    perform(['fdatasync'], () => {
      nodeStoreDisk.fdatasync(fd);
    });
  },
  commit: (operations, commit) => {
    perform(
      operations.map((operation) => `commit:${operation}`),
      () => {
        nodeStoreDisk.commit(operations, commit);
      },
    );
  },
};
