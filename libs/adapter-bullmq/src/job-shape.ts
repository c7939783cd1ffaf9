import { CertmillError } from '@certmill/domain';
import type { Job } from '@certmill/ports';
import type { Job as BullJob, JobsOptions } from 'bullmq';

/** BullMQ takes no id that looks like a number, so every id gets this in front. */
const idPrefix = 'job-';
/** Every job has the same: what it is follows from its queue. */
export const jobName = 'job';

/** The name that the pauses of `JobWorker` have in BullMQ. */
export const growingPauses = 'growing';

/** The id under which BullMQ keeps the job. */
export function bullJobId(id: string): string {
  if (id === '' || id.includes(':')) {
    throw new CertmillError('INVALID_INPUT', 'the id of a job is not empty and has no ":"');
  }
  return idPrefix + id;
}

export function checkQueueName(queue: string): void {
  if (queue !== '' && !queue.includes(':')) return;
  throw new CertmillError('INVALID_INPUT', 'the name of a queue is not empty and has no ":"');
}

export function bullJobOptions(job: Job, nowMs: number): JobsOptions {
  return {
    jobId: bullJobId(job.id),
    delay: Math.max(0, (job.runAtMs ?? nowMs) - nowMs),
    // How many there are is what `process` says: the worker ends a job that has had them.
    attempts: Number.MAX_SAFE_INTEGER,
    backoff: { type: growingPauses },
    // A stack may show what the message of a fault must not.
    stackTraceLimit: 0,
  };
}

/** The job as it was added. */
export function jobOf(job: BullJob): Job {
  return {
    id: (job.id ?? '').slice(idPrefix.length),
    data: job.data as Job['data'],
    runAtMs: job.timestamp + (job.opts.delay ?? 0),
  };
}
