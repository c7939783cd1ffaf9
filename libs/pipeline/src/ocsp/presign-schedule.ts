import { chunkIdOf, type ChunkRef } from '@certmill/domain';
import type {
  Job,
  JobQueue,
  OcspStore,
  RevocationStore,
  RunAgain,
  Stoppable,
} from '@certmill/ports';
import { listAllChanged } from '../crl/list-all-changed.js';
import { WaitingScopes, type WaitingChanges } from '../crl/waiting-scopes.js';
import { repeat } from '../repeat.js';
import { findUnsignedChunks, type UnsignedChunkPorts } from './find-unsigned-chunks.js';
import { presignChunk, signedAgainMs, type PresignPorts } from './presign-chunk.js';
import { presignScope, type PresignScopePorts } from './presign-scope.js';

const presignQueue = 'ocsp-presign';
const scopeQueue = 'ocsp-presign-scopes';
const backfillQueue = 'ocsp-presign-backfill';
const revokedQueue = 'ocsp-presign-revoked';

/** Changes of one chunk within it are signed once; a later one finds no job of an earlier second. */
const joinMs = 1_000;
const sweepMs = 60_000;
const changesEveryMs = 15_000;
/** Chunks that one sweep plans: some ten thousand a minute can be signed on one core. */
const chunksPerSweep = 5_000;
const attempts = 20;
/** For so long it may be that another process knows that an issuer is revoked, and this one not yet. */
const learningMs = 3_600_000;
/** Longer than any response lasts. */
const everMs = 10 * 365 * 86_400_000;

/**
 * Plans that a chunk's responses are signed at once: it was published, or a status in it changed. Where that
 * is lost they are late: `startPresigning` finds what is not signed by itself.
 */
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
  readonly revocations: PresignScopePorts['revocations'] &
    Pick<RevocationStore, 'listChangedScopes'>;
  readonly tenants: UnsignedChunkPorts['tenants'];
  readonly orders: UnsignedChunkPorts['orders'];
  readonly batches: PresignScopePorts['batches'] & UnsignedChunkPorts['batches'];
  readonly certificates: PresignPorts['certificates'] &
    PresignScopePorts['certificates'] &
    UnsignedChunkPorts['certificates'];
  /** Those that `issuerOf` knows, as they are at the time. */
  readonly issuers: () => readonly string[];
  /** Chunks at once. */
  readonly concurrency: number;
  readonly onFault: (error: unknown) => void;
}

export interface Presigning extends Stoppable {
  /** Changes of status that the responses do not tell, as of the last look. */
  waiting(): readonly WaitingChanges[];
}

/**
 * Signs what is planned, and plans what is two thirds through its time, what no response tells of though it
 * changed or whose issuer was revoked, and at the start what was published without: so a plan that is lost
 * is only late. By any number of processes, for a job's id is of what it signs.
 */
export async function startPresigning(work: PresignWork): Promise<Presigning> {
  const { jobs, onFault } = work;
  const told =
    (handler: (job: Job) => Promise<unknown>) =>
    async (job: Job): Promise<void> => {
      try {
        await handler(job);
      } catch (error) {
        onFault(error);
        throw error;
      }
    };
  const { concurrency } = work;
  const workers = [
    await jobs.process(
      presignQueue,
      { concurrency, attempts },
      told((job) => presignChunk(work, chunkOf(job), Number(job.data['sinceMs'] ?? 0))),
    ),
    // One at a time: each may be of many chunks.
    await jobs.process(scopeQueue, { concurrency: 1, attempts }, told(scopeHandler(work))),
    await jobs.process(backfillQueue, { concurrency: 1, attempts }, told(backfillHandler(work))),
    await jobs.process(revokedQueue, { concurrency: 1, attempts }, revokedHandler(work)),
  ];
  const waiting = new WaitingScopes();
  const stops = [
    repeat(() => planChangedScopes(work, waiting), changesEveryMs, onFault),
    repeat(() => planRevokedIssuers(work), changesEveryMs, onFault),
    repeat(() => planEnding(work), sweepMs, onFault),
  ];
  await jobs.add(backfillQueue, { id: 'backfill', data: {} });
  return {
    waiting: () => waiting.oldest(),
    async stop(timeoutMs) {
      const stopped = workers.map((worker) => worker.stop(timeoutMs));
      await Promise.all([...stops.map((stop) => stop()), ...stopped]);
    },
  };
}

async function planChangedScopes(work: PresignWork, waiting: WaitingScopes): Promise<void> {
  const changed = await listAllChanged(work.revocations, 'presigned', signedAheadOf(work));
  waiting.look(changed, work.clock.nowMs());
  for (const { issuer, shard } of changed) {
    await work.jobs.add(scopeQueue, { id: `${issuer}-${String(shard)}`, data: { issuer, shard } });
  }
}

function scopeHandler(work: PresignWork): (job: Job) => Promise<void> {
  return async ({ data }) => {
    const scope = { issuer: String(data['issuer']), shard: Number(data['shard']) };
    await presignScope(work, scope, (chunk) => presignChunk(work, chunk));
  };
}

/**
 * What a revoked issuer has issued is revoked: what was signed before that was known tells otherwise. The
 * job stays, and with it since when all know: no start signs the same again.
 */
async function planRevokedIssuers(work: PresignWork): Promise<void> {
  for (const issuer of signedAheadOf(work)) {
    const revocation = revocationIdOf(work, issuer);
    if (revocation === undefined) continue;
    // Not before every process has seen it; in whole seconds, as thisUpdate.
    const sinceMs = Math.ceil(work.clock.nowMs() / 1_000) * 1_000 + 2 * joinMs;
    const id = `${issuer}.${revocation}`;
    const data = { issuer, revocation, sinceMs };
    await work.jobs.add(revokedQueue, { id, data, runAtMs: sinceMs });
  }
}

/** Another one where the reason changes: that a key is lost takes the place of others, and the time stays. */
function revocationIdOf({ issuerOf }: PresignWork, issuer: string): string | undefined {
  const revoked = issuerOf(issuer)?.revoked;
  return revoked && `${String(revoked.revokedAtMs)}.${revoked.reason}`;
}

/**
 * Plans a page of what was signed before, by its end: all of an issuer's last equally long. Those that
 * last longer, of before their life was made shorter, tell nobody `good` and wait for their time.
 */
function revokedHandler(work: PresignWork): (job: Job) => Promise<RunAgain | undefined> {
  return async ({ data }) => {
    const [issuer, sinceMs] = [String(data['issuer']), Number(data['sinceMs'])];
    const nowMs = work.clock.nowMs();
    if (revocationIdOf(work, issuer) === data['revocation']) {
      // Over the years more may go wrong than a job that fails is tried.
      await planSignedBefore(work, issuer, sinceMs).catch(work.onFault);
    } else if (nowMs > sinceMs + learningMs) return undefined;
    return { againAtMs: nowMs + changesEveryMs };
  };
}

async function planSignedBefore(
  { jobs, responses, policy }: PresignWork,
  issuer: string,
  sinceMs: number,
): Promise<void> {
  const lifetimeSeconds = policy.lifetimeSecondsOf(issuer);
  if (lifetimeSeconds === undefined) return;
  const page = { issuers: [issuer], limit: chunksPerSweep };
  const endBeforeMs = sinceMs + lifetimeSeconds * 1_000;
  for (const before of await responses.listEndingResponses(endBeforeMs, page)) {
    const job = jobOf(before, `since-${String(sinceMs)}`);
    await jobs.add(presignQueue, { ...job, data: { ...job.data, sinceMs } });
  }
}

function signedAheadOf({ issuers, policy }: PresignWork): readonly string[] {
  return issuers().filter((issuer) => policy.lifetimeSecondsOf(issuer) !== undefined);
}

function backfillHandler(work: PresignWork): () => Promise<void> {
  return async () => {
    for await (const chunk of findUnsignedChunks(work, new Set(signedAheadOf(work)))) {
      await work.jobs.add(presignQueue, jobOf(chunk, 'first'));
    }
  };
}

async function planEnding({ jobs, responses, clock, issuers, policy }: PresignWork) {
  const nowMs = clock.nowMs();
  const byLifetime = Map.groupBy(issuers(), (issuer) => policy.lifetimeSecondsOf(issuer));
  for (const [lifetimeSeconds, names] of byLifetime) {
    // Of those that are signed ahead no more, all: they are removed, for nothing keeps them true.
    const beforeMs =
      nowMs + (lifetimeSeconds === undefined ? everMs : signedAgainMs(lifetimeSeconds));
    const page = { issuers: names, limit: chunksPerSweep };
    for (const ending of await responses.listEndingResponses(beforeMs, page)) {
      await jobs.add(presignQueue, jobOf(ending, `after-${String(ending.nextUpdateMs)}`));
    }
  }
  // Of issuers that nobody signs for any more.
  await responses.forgetResponses(nowMs - policy.longestSeconds * 1_000);
}

function chunkOf({ data }: Job): ChunkRef {
  return {
    tenant: String(data['tenant']),
    batchId: String(data['batchId']),
    chunkNumber: Number(data['chunkNumber']),
  };
}
