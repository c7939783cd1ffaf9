import { Worker } from 'node:worker_threads';
import { CertmillError, type FaultCode } from '@certmill/domain';
import type { MergeJob } from './merge-runs.js';
import type { WrittenRun } from './run-output.js';
import type { WriteJob } from './write-run.js';

/** Sorts, writes and merges runs away from the thread that asks. */
export interface RunWriter {
  /** Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN. `entries` MUST NOT change until it settles. */
  write(job: WriteJob): Promise<WrittenRun>;
  /** Merges wait for each other, writes never wait for a merge. Also FAULT_STORE_CORRUPT. */
  merge(job: MergeJob): Promise<WrittenRun>;
  /** Ends the thread; what is in hand fails with FAULT_STOPPING and leaves a file to be removed. */
  stop(): Promise<void>;
}

export type RunTask =
  | { readonly id: number; readonly task: 'write'; readonly job: WriteJob }
  | { readonly id: number; readonly task: 'merge'; readonly job: MergeJob };

/** As data: structured clone would drop an error's code. */
export type RunReply =
  | { readonly id: number; readonly written: WrittenRun }
  | { readonly id: number; readonly code: FaultCode; readonly message: string };

interface Waiting {
  readonly resolve: (written: WrittenRun) => void;
  readonly reject: (fault: CertmillError) => void;
}

/** One thread for any number of maps; it is started at the first task, and again if it dies. */
export function startRunWriter(): RunWriter {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let lastId = 0;

  const settle = (id: number): Waiting | undefined => {
    const one = waiting.get(id);
    waiting.delete(id);
    // An idle thread does not keep the process alive.
    if (waiting.size === 0) worker?.unref();
    return one;
  };
  const failAll = (code: FaultCode, message: string, cause?: unknown): void => {
    worker = undefined;
    for (const id of [...waiting.keys()]) {
      settle(id)?.reject(new CertmillError(code, message, { cause }));
    }
  };
  const start = (): Worker => {
    const started = new Worker(new URL('./run-writer.worker.js', import.meta.url));
    started.on('message', (reply: RunReply) => {
      const one = settle(reply.id);
      if ('written' in reply) one?.resolve(reply.written);
      else one?.reject(new CertmillError(reply.code, reply.message));
    });
    started.on('error', (error) => {
      if (started === worker) failAll('FAULT_STORE_DOWN', 'the run writer died', error);
    });
    started.on('exit', () => {
      if (started === worker) failAll('FAULT_STORE_DOWN', 'the run writer ended');
    });
    return started;
  };
  const post = (task: { task: 'write'; job: WriteJob } | { task: 'merge'; job: MergeJob }) =>
    new Promise<WrittenRun>((resolve, reject) => {
      worker ??= start();
      worker.ref();
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      worker.postMessage({ id: lastId, ...task } satisfies RunTask);
    });

  return {
    write: (job) => post({ task: 'write', job }),
    merge: (job) => post({ task: 'merge', job }),
    stop: async () => {
      const stopped = worker;
      failAll('FAULT_STOPPING', 'the store is closing');
      await stopped?.terminate();
    },
  };
}
