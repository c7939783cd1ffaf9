import { setImmediate } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { diskFault } from './disk-fault.js';
import { mergeRuns } from './merge-runs.js';
import type { WrittenRun } from './run-output.js';
import type { RunReply, RunTask } from './run-writer.js';
import { writeRun } from './write-run.js';

let lastMerge: Promise<unknown> = Promise.resolve();

async function perform(task: RunTask): Promise<WrittenRun> {
  if (task.task === 'write') return writeRun(task.job);
  const { job } = task;
  const merge = lastMerge.then(() => mergeRuns(job, () => setImmediate()));
  lastMerge = merge.catch(() => undefined);
  return merge;
}

function reply(message: RunReply, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

parentPort?.on('message', (task: RunTask) => {
  perform(task).then(
    (written) => {
      reply({ id: task.id, written }, [written.filter.buffer, written.fences.buffer]);
    },
    (error: unknown) => {
      const { code, message } = diskFault(error, `${task.task} ${task.job.path}`);
      reply({ id: task.id, code, message });
    },
  );
});
