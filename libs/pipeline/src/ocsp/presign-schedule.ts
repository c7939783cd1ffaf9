import { chunkIdOf, type ChunkRef } from '@certmill/domain';
import type { Job, JobQueue, OcspStore, Stoppable } from '@certmill/ports';
import { presignChunk, type PresignPorts } from './presign-chunk.js';

export const presignQueue = 'ocsp-presign';

/** Changes of one chunk within it are signed once; a later one finds no job of an earlier second. */
const joinMs = 1_000;
const sweepMs = 60_000;
/** Chunks that one sweep plans: some ten thousand a minute can be signed on one core. */
const chunksPerSweep = 5_000;
const attempts = 20;

/** Plans that a chunk's responses are signed: it was published, or a status in it changed. */
export async function planPresigning(
  jobs: Pick<JobQueue, 'add'>,
  chunk: ChunkRef,
  nowMs: number,
): Promise<void> {
  // The end of the second: what changes until then is in it, what comes later has a job of its own.
  const runAtMs = (Math.floor(nowMs / joinMs) + 1) * joinMs;
  await jobs.add(presignQueue, { ...jobOf(chunk, String(runAtMs)), runAtMs });
}

function jobOf({ tenant, batchId, chunkNumber }: ChunkRef, reason: string): Job {
  return {
    id: `${tenant}.${chunkIdOf({ tenant, batchId, chunkNumber })}.${reason}`,
    data: { tenant, batchId, chunkNumber },
  };
}

export interface PresignWork extends PresignPorts {
  readonly jobs: JobQueue;
  readonly responses: OcspStore;
  /** Chunks at once. */
  readonly concurrency: number;
  readonly onFault: (error: unknown) => void;
}

/**
 * Signs what is planned, and plans what is two thirds through its time: by any number of processes, for
 * a job's id is of the responses that it replaces.
 */
export async function startPresigning(work: PresignWork): Promise<Stoppable> {
  const { jobs, responses, clock, lifetimeSeconds, onFault } = work;
  const options = { concurrency: work.concurrency, attempts };
  const worker = await jobs.process(presignQueue, options, async (job) => {
    try {
      await presignChunk(work, chunkOf(job));
    } catch (error) {
      onFault(error);
      throw error;
    }
  });
  const sweep = async (): Promise<void> => {
    const nowMs = clock.nowMs();
    const beforeMs = nowMs + (lifetimeSeconds * 1_000) / 3;
    for (const ending of await responses.listEndingResponses(beforeMs, chunksPerSweep)) {
      await jobs.add(presignQueue, jobOf(ending, `after-${String(ending.nextUpdateMs)}`));
    }
    // Those of certificates that have ended are made no more.
    await responses.forgetResponses(nowMs - lifetimeSeconds * 1_000);
  };
  let sweeping = Promise.resolve();
  const begin = (): void => {
    sweeping = sweeping.then(sweep).catch(onFault);
  };
  const timer = setInterval(begin, sweepMs);
  begin();
  return {
    async stop(timeoutMs) {
      clearInterval(timer);
      await worker.stop(timeoutMs);
      await sweeping;
    },
  };
}

function chunkOf({ data }: Job): ChunkRef {
  return {
    tenant: String(data['tenant']),
    batchId: String(data['batchId']),
    chunkNumber: Number(data['chunkNumber']),
  };
}
