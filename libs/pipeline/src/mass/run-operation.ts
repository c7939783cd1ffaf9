import {
  CertmillError,
  inFlightOf,
  isCertmillError,
  type ChunkOutcome,
  type ChunkPlace,
  type DecidedState,
  type FrozenBatch,
  type MassCounts,
  type MassCursor,
  type MassOperation,
  type ReissueWork,
  type TenantId,
} from '@certmill/domain';
import type { RunAgain } from '@certmill/ports';
import { isToCome } from '../issuance-clock.js';
import { allPages } from '../revoke/all-pages.js';
import { countsOf, sumOf } from './mass-counts.js';
import { FrozenSelection } from './frozen-selection.js';
import { LookPace } from './look-pace.js';
import type { MassPorts } from './mass-ports.js';
import { openRenewal } from './open-renewal.js';
import { doStep, planStep } from './do-step.js';
import { outcomesOf } from './operation-outcomes.js';
import { onItsWay, readChunk, type MassChunk } from './read-chunk.js';
import { lookAgainMs, settleDecided } from './settle-decided.js';
import { goesOn, StoredOperation, Superseded } from './stored-operation.js';
import { without } from './without.js';

/** Between looks at what was on its way: it may be dead letters, for days. */
const lookAtPendingMs = 1_000;
/** After so long others have their turn. */
const turnMs = 1_000;

/**
 * Works an operation off from where it is, a chunk at a time, and resolves to when it wants to go on:
 * after a while others have their turn, and it waits for its rate or for what is still being issued
 * without keeping a place. Undefined where it is done, or somebody has paused or cancelled it. Killed
 * anywhere, the next run goes on: what a step does twice has its effect once, and counts once. Of two runs
 * at a time the one that comes second stores nothing. Faults that may pass are thrown; what cannot be
 * mended by waiting makes it `failed`, with the reason.
 * @param signal aborts when the process stops: FAULT_STOPPING, and the operation goes on with the next run.
 * @param pace of the operation in this process, from turn to turn.
 */
export async function runOperation(
  ports: MassPorts,
  tenant: TenantId,
  operationId: string,
  signal: AbortSignal,
  pace = new LookPace(),
): Promise<RunAgain | undefined> {
  const operation = await ports.operations.getOperation(tenant, operationId);
  if (operation?.state !== 'running') return undefined;
  const run = new OperationRun(ports, operation, signal, pace);
  try {
    return await run.takeTurn().catch((error: unknown) => run.fail(error));
  } catch (error) {
    if (error instanceof Superseded) return run.lookAgain();
    throw error;
  }
}

class OperationRun {
  readonly #ports: MassPorts;
  readonly #frozen: FrozenSelection;
  readonly #signal: AbortSignal;
  readonly #pace: LookPace;
  /** Of this turn: of what was on its way, the last chunk that was looked at again. */
  #lookedAtAgain: ChunkPlace | undefined;
  readonly #stored: StoredOperation;

  constructor(ports: MassPorts, operation: MassOperation, signal: AbortSignal, pace: LookPace) {
    this.#pace = pace;
    this.#ports = ports;
    this.#stored = new StoredOperation(ports.operations, operation);
    this.#frozen = new FrozenSelection(ports.operations, operation);
    this.#signal = signal;
  }

  get #operation(): MassOperation {
    return this.#stored.current;
  }

  async takeTurn(): Promise<RunAgain | undefined> {
    const endMs = this.#ports.clock.nowMs() + turnMs;
    while (this.#operation.state === 'running') {
      this.#assertRunning();
      const { decided } = this.#operation;
      if (decided !== undefined) return this.#settleDecided(decided);
      const nowMs = this.#ports.clock.nowMs();
      const { batch, rest } = this.#operation.cursor;
      if (rest !== undefined && isRest(rest, nowMs)) return { againAtMs: rest.untilMs };
      if (nowMs >= endMs) return { againAtMs: nowMs };
      const frozen = await this.#frozen.at(batch);
      if (frozen !== undefined) {
        await this.#step(frozen);
        continue;
      }
      const late = await this.#stepLate(endMs);
      if (late === 'done') continue;
      const leastMs = late === undefined ? await this.#settle() : undefined;
      this.#pace.spent(this.#ports.clock.nowMs() - nowMs);
      if (late !== undefined) return late;
      if (leastMs !== undefined) return this.lookAgain(this.#pace.restMs(leastMs));
      if (goesOn(this.#operation)) await this.#decideEnd('done');
    }
    return undefined;
  }

  async fail(error: unknown): Promise<RunAgain | undefined> {
    if (error instanceof Superseded) throw error;
    const fault = isCertmillError(error)
      ? error
      : new CertmillError('FAULT_PROCESSING', 'an unexpected fault', { cause: error });
    if (fault.code === 'FAULT_STOPPING') throw fault;
    const { code, message, disposition } = fault;
    const failure = { code, message, atMs: this.#ports.clock.nowMs() };
    if (disposition !== 'retry' && this.#operation.decided === undefined) {
      await this.#decideEnd('failed', failure);
      return this.takeTurn();
    }
    // Told where it can be: the store itself may be what is away. What it failed with stays told.
    if (this.#operation.decided?.state === 'failed') throw fault;
    await this.#save({ ...this.#operation, failure }).catch((unsaved: unknown) => {
      if (unsaved instanceof Superseded) throw unsaved;
    });
    throw fault;
  }

  async #step(batch: FrozenBatch): Promise<void> {
    const { tenant, selection, cursor } = this.#operation;
    const found = await readChunk(this.#ports, tenant, batch, cursor.chunkNumber, selection);
    // Also where it has ended since: the batch that it would go to may be whole.
    const chunk = cursor.isPending === true ? onItsWay(found) : found;
    const done = await this.#do(batch, chunk);
    if (done === undefined) return;
    const { operation, targetIndex, outcome, rest } = done;
    const next: MassCursor = chunk.isLast
      ? { batch: cursor.batch + 1, chunkNumber: 0, targetIndex: 0 }
      : {
          batch: cursor.batch,
          chunkNumber: cursor.chunkNumber + 1,
          targetIndex,
          ...targetOf(operation.cursor),
        };
    await this.#save(
      {
        ...without(operation, 'failure'),
        cursor: { ...next, ...rest },
        counts: sumOf(operation.counts, countsOf(chunk, outcome.runs)),
      },
      chunk.requests === 0 ? undefined : outcome,
    );
  }

  /**
   * Works on what was on its way and has ended, one chunk. Resolves to when it wants to go on where the turn is
   * over before one was found, and to undefined where there is none: all were looked at again.
   */
  async #stepLate(endMs: number): Promise<'done' | RunAgain | undefined> {
    const { cursor, counts, lateUpTo } = this.#operation;
    if (cursor.late !== undefined) return this.#doLate(cursor.late);
    if (counts.pending === 0) return undefined;
    const from = this.#lookedAtAgain ?? lateUpTo;
    for await (const late of outcomesOf(this.#ports, this.#operation, { isPending: true, from })) {
      this.#assertRunning();
      if ((await this.#doLate(late)) === 'done') return 'done';
      const { batch, chunkNumber } = late;
      this.#lookedAtAgain = { batch, chunkNumber };
      const nowMs = this.#ports.clock.nowMs();
      if (nowMs < endMs) continue;
      await this.#save({ ...this.#operation, lateUpTo: this.#lookedAtAgain });
      return { againAtMs: nowMs };
    }
    if (lateUpTo !== undefined) await this.#save(without(this.#operation, 'lateUpTo'));
    return undefined;
  }

  /** Undefined where the chunk has not ended. */
  async #doLate({ batch: position, chunkNumber }: ChunkPlace): Promise<'done' | undefined> {
    const { tenant, selection, cursor } = this.#operation;
    const batch = await this.#frozen.at(position);
    if (batch === undefined) return undefined;
    const chunk = await readChunk(this.#ports, tenant, batch, chunkNumber, selection);
    if (chunk.pending > 0) return undefined;
    const done = await this.#do(batch, chunk, { batch: position, chunkNumber });
    if (done === undefined) return 'done';
    const { operation, outcome, rest } = done;
    const { batch: behind } = cursor;
    await this.#save(
      {
        ...without(operation, 'failure'),
        cursor: { batch: behind, chunkNumber: cursor.chunkNumber + 1, targetIndex: 0, ...rest },
        counts: sumOf(operation.counts, countsOf(chunk, outcome.runs, true)),
      },
      outcome,
    );
    return 'done';
  }

  /** Stores that a step is begun, and does it; undefined where somebody has paused or cancelled the operation. */
  async #do(batch: FrozenBatch, chunk: MassChunk, late?: ChunkPlace) {
    const { cursor } = this.#operation;
    const isRepeated = cursor.begunAtMs !== undefined;
    const hasWork = chunk.certificates.length > 0 || cursor.targetIndex > 0;
    const planned = hasWork
      ? await planStep(this.#ports, this.#operation, batch, chunk, late)
      : undefined;
    if (planned !== undefined) {
      await this.#save({ ...this.#operation, cursor: planned });
      if (!goesOn(this.#operation)) return undefined;
    }
    const operation = this.#operation;
    const begunAtMs = operation.cursor.begunAtMs ?? this.#ports.clock.nowMs();
    const signal = this.#signal;
    const step = { operation, batch, chunk, begunAtMs, isRepeated, signal };
    const { targetIndex, runs, uploaded } = await doStep(this.#ports, step);
    const outcome: ChunkOutcome = {
      ...(late ?? { batch: cursor.batch, chunkNumber: cursor.chunkNumber }),
      isPending: chunk.pending > 0,
      runs,
      ...(uploaded === undefined ? {} : { uploaded }),
    };
    const rest = restAfter(operation, chunk.certificates.length, begunAtMs);
    return { operation, targetIndex, outcome, rest };
  }

  /**
   * How long to wait at least before the next look at what is on its way: what was so when it was looked at,
   * and what a reissue has uploaded since, whose counts grow with it. The order of a renewal is open
   * afterwards, for those known so far.
   */
  async #settle(): Promise<number | undefined> {
    const { work, counts } = this.#operation;
    if (work.kind === 'renew') await this.#openRenewal(work);
    const isSettled = work.kind !== 'reissue' || (await this.#countReissued());
    if (counts.pending > 0) return lookAtPendingMs;
    return isSettled ? undefined : lookAgainMs;
  }

  async #openRenewal(work: ReissueWork): Promise<void> {
    const { submitted } = this.#operation.counts;
    // The allow-list of none is no list.
    if (submitted === (this.#operation.listed ?? 0)) return;
    await openRenewal(this.#ports, this.#operation, this.#frozen, work, {
      each: () => this.#assertRunning(),
      last: () => this.#stored.assertOwn(),
    });
    await this.#save({ ...this.#operation, listed: submitted });
  }

  /** Whether everything that was uploaded is issued or rejected. */
  async #countReissued(): Promise<boolean> {
    const { tenant, operationId } = this.#operation;
    const { inFlight, ...ended } = await reissuedCounts(this.#ports, tenant, operationId, () =>
      this.#assertRunning(),
    );
    const before = without(this.#operation, 'failure');
    if (!isSameEnd(before.counts, ended)) {
      await this.#save({ ...before, counts: { ...before.counts, ...ended } });
    }
    return inFlight === 0 && ended.deadLettered === 0;
  }

  lookAgain(afterMs = lookAgainMs): RunAgain {
    return { againAtMs: this.#ports.clock.nowMs() + afterMs };
  }

  /**
   * Stores as what it ends. From then on nobody pauses or cancels it, and a run that was superseded has
   * decided nothing, so that the audit trail tells of no end that was not.
   */
  #decideEnd(state: 'done' | 'failed', failure?: MassOperation['failure']): Promise<void> {
    const told = failure === undefined ? {} : { failure };
    const decided = { state, atMs: this.#ports.clock.nowMs() };
    return this.#save({ ...without(this.#operation, 'failure'), ...told, decided });
  }

  /** What others decided is left to them as long as they may be at it. */
  async #settleDecided({ actor }: DecidedState): Promise<RunAgain | undefined> {
    const isOwn = actor === undefined && this.#stored.isOwn;
    const settled = await settleDecided(this.#ports, this.#operation, isOwn);
    if (settled === undefined) return this.lookAgain();
    return settled.state === 'running' ? this.lookAgain(0) : undefined;
  }

  #save(wanted: MassOperation, outcome?: ChunkOutcome): Promise<void> {
    return this.#stored.save(wanted, outcome);
  }

  #assertRunning(): void {
    if (!this.#signal.aborted) return;
    throw new CertmillError('FAULT_STOPPING', 'the process stops; the operation goes on later');
  }
}

type EndCounts = Pick<MassCounts, 'issued' | 'rejected' | 'deadLettered'>;

/**
 * What became of the requests that a reissue has uploaded so far: its batches are read, all of them.
 * @param beforeEach may throw, which ends it.
 */
export async function reissuedCounts(
  { batches }: Pick<MassPorts, 'batches'>,
  tenant: TenantId,
  operationId: string,
  beforeEach: () => void = () => undefined,
): Promise<EndCounts & { readonly inFlight: number }> {
  const sum = { issued: 0, rejected: 0, deadLettered: 0, inFlight: 0 };
  for await (const batch of allPages((page) => batches.listBatches(tenant, operationId, page))) {
    beforeEach();
    const { counters } = batch;
    sum.issued += counters.issued;
    sum.rejected += counters.rejected + counters.cancelled;
    sum.deadLettered += counters.deadLettered;
    sum.inFlight += inFlightOf(counters);
  }
  return sum;
}

function isSameEnd(one: EndCounts, other: EndCounts): boolean {
  return (
    one.issued === other.issued &&
    one.rejected === other.rejected &&
    one.deadLettered === other.deadLettered
  );
}

type Rest = NonNullable<MassCursor['rest']>;

/** Until when the next step has to wait, where there is a rate. */
function restAfter(
  { ratePerSecond }: MassOperation,
  certificates: number,
  begunAtMs: number,
): Pick<MassCursor, 'rest'> {
  if (ratePerSecond === undefined || certificates === 0) return {};
  const untilMs = Math.ceil(begunAtMs + (certificates / ratePerSecond) * 1_000);
  return { rest: { sinceMs: begunAtMs, untilMs } };
}

function isRest({ sinceMs, untilMs }: Rest, nowMs: number): boolean {
  return nowMs < untilMs && !isToCome(sinceMs, nowMs);
}

function targetOf({ target, closed }: MassCursor): Pick<MassCursor, 'target' | 'closed'> {
  return {
    ...(target === undefined ? {} : { target }),
    ...(closed === undefined ? {} : { closed }),
  };
}
