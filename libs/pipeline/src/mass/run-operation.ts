import {
  CertmillError,
  inFlightOf,
  isCertmillError,
  type ChunkOutcome,
  type ChunkPlace,
  type FrozenBatch,
  type MassCounts,
  type MassCursor,
  type MassOperation,
  type TenantId,
} from '@certmill/domain';
import type { RunAgain } from '@certmill/ports';
import { recordAudit } from '../revoke/record-audit.js';
import { allPages } from '../revoke/all-pages.js';
import { detailOf } from './mass-audit.js';
import { countsOf, sumOf } from './mass-counts.js';
import { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';
import { openRenewal } from './open-renewal.js';
import { doStep, planStep } from './do-step.js';
import { closeTheOrder } from './operation-order.js';
import { outcomesOf } from './operation-outcomes.js';
import { onItsWay, readChunk, type MassChunk } from './read-chunk.js';
import type { ReissueWork } from './renewal-outcomes.js';
import { without } from './without.js';

/** Between looks at what is still being issued. */
const lookAgainMs = 500;
/** Between looks at what was on its way: it may be dead letters, for days. */
const lookAtPendingMs = 1_000;
/** After so long others have their turn. */
const turnMs = 1_000;

/**
 * Works an operation off from where it is, a chunk at a time, and resolves to when it wants to go on:
 * after a while others have their turn, and it waits for its rate or for what is still being issued
 * without keeping a place. Undefined where it is done, or somebody has paused or cancelled it. Killed anywhere, the next run goes on: what a step does twice has its effect once, and
 * counts once. Of two runs at a time one gives way. Faults that may pass are thrown; what cannot be mended
 * by waiting makes it `failed`, with the reason.
 * @param signal aborts when the process stops: FAULT_STOPPING, and the operation goes on with the next run.
 */
export async function runOperation(
  ports: MassPorts,
  tenant: TenantId,
  operationId: string,
  signal: AbortSignal,
): Promise<RunAgain | undefined> {
  const operation = await ports.operations.getOperation(tenant, operationId);
  if (operation?.state !== 'running') return undefined;
  const run = new OperationRun(ports, operation, signal);
  try {
    return await run.takeTurn();
  } catch (error) {
    return await run.fail(error);
  }
}

/** Another process is at work on the operation. */
class Superseded extends Error {}

class OperationRun {
  readonly #ports: MassPorts;
  readonly #frozen: FrozenSelection;
  readonly #signal: AbortSignal;
  /** Of this turn: of what was on its way, the last chunk that was looked at again. */
  #lookedAtAgain: ChunkPlace | undefined;
  /** As stored. */
  #operation: MassOperation;

  constructor(ports: MassPorts, operation: MassOperation, signal: AbortSignal) {
    this.#ports = ports;
    this.#operation = operation;
    this.#frozen = new FrozenSelection(ports.operations, operation);
    this.#signal = signal;
  }

  async takeTurn(): Promise<RunAgain | undefined> {
    const endMs = this.#ports.clock.nowMs() + turnMs;
    while (this.#isRunning()) {
      this.#assertRunning();
      const nowMs = this.#ports.clock.nowMs();
      const { batch, dueAtMs = 0 } = this.#operation.cursor;
      if (dueAtMs > nowMs) return { againAtMs: dueAtMs };
      if (nowMs >= endMs) return { againAtMs: nowMs };
      const frozen = await this.#frozen.at(batch);
      if (frozen !== undefined) {
        await this.#step(frozen);
        continue;
      }
      const late = await this.#stepLate(endMs);
      if (late === 'done') continue;
      const again = late ?? (await this.#settle()) ?? (await this.#beginEnd());
      if (again !== undefined) return again;
      if (this.#isRunning()) await this.#end('done');
    }
    return undefined;
  }

  async fail(error: unknown): Promise<RunAgain | undefined> {
    if (error instanceof Superseded) return this.#lookAgain();
    const fault = isCertmillError(error)
      ? error
      : new CertmillError('FAULT_PROCESSING', 'an unexpected fault', { cause: error });
    if (fault.code === 'FAULT_STOPPING') throw fault;
    const { code, message, disposition } = fault;
    const failure = { code, message, atMs: this.#ports.clock.nowMs() };
    if (disposition !== 'retry') {
      await this.#end('failed', failure);
      return undefined;
    }
    // Told where it can be: the store itself may be what is away.
    await this.#save({ ...this.#operation, failure }).catch(() => undefined);
    throw fault;
  }

  async #step(batch: FrozenBatch): Promise<void> {
    const { tenant, selection, cursor } = this.#operation;
    const found = await readChunk(this.#ports, tenant, batch, cursor.chunkNumber, selection);
    // Also where it has ended since: the batch that it would go to may be whole.
    const chunk = cursor.isPending === true ? onItsWay(found) : found;
    const done = await this.#do(batch, chunk);
    if (done === undefined) return;
    const { operation, targetIndex, outcome, due } = done;
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
        cursor: { ...next, ...due },
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
    const { operation, outcome, due } = done;
    const { batch: behind } = cursor;
    await this.#save(
      {
        ...without(operation, 'failure'),
        cursor: { batch: behind, chunkNumber: cursor.chunkNumber + 1, targetIndex: 0, ...due },
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
      if (!this.#isRunning()) return undefined;
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
    const due = dueAfter(operation, chunk.certificates.length, begunAtMs);
    return { operation, targetIndex, outcome, due };
  }

  /**
   * When to look again at what is on its way: what was so when it was looked at, and what a reissue has
   * uploaded since, whose counts grow with it. The order of a renewal is open afterwards, for those known so far.
   */
  async #settle(): Promise<RunAgain | undefined> {
    const { work, counts } = this.#operation;
    if (work.kind === 'renew') await this.#openRenewal(work);
    const isSettled = work.kind !== 'reissue' || (await this.#countReissued());
    if (counts.pending > 0) return this.#lookAgain(lookAtPendingMs);
    return isSettled ? undefined : this.#lookAgain();
  }

  async #openRenewal(work: ReissueWork): Promise<void> {
    const { submitted } = this.#operation.counts;
    // The allow-list of none is no list.
    if (submitted === (this.#operation.listed ?? 0)) return;
    await openRenewal(this.#ports, this.#operation, this.#frozen, work, this.#signal);
    await this.#save({ ...this.#operation, listed: submitted });
  }

  /** Whether everything that was uploaded is issued or rejected. */
  async #countReissued(): Promise<boolean> {
    const { tenant, operationId } = this.#operation;
    const { inFlight, ...ended } = await reissuedCounts(this.#ports, tenant, operationId);
    const before = without(this.#operation, 'failure');
    if (!isSameEnd(before.counts, ended)) {
      await this.#save({ ...before, counts: { ...before.counts, ...ended } });
    }
    return inFlight === 0 && ended.deadLettered === 0;
  }

  /**
   * Marks the end as begun, as a step is, so that of two runs that come to it one tells it. Where it is
   * marked already, another run is at it, or was killed: then this one does it after a while.
   */
  async #beginEnd(): Promise<RunAgain | undefined> {
    const { cursor } = this.#operation;
    if (!this.#isRunning()) return undefined;
    const nowMs = this.#ports.clock.nowMs();
    if (cursor.begunAtMs === undefined) {
      await this.#save({ ...this.#operation, cursor: { ...cursor, begunAtMs: nowMs } });
      return undefined;
    }
    return nowMs < cursor.begunAtMs + lookAgainMs ? this.#lookAgain() : undefined;
  }

  #isRunning(): boolean {
    return this.#operation.state === 'running';
  }

  #lookAgain(afterMs = lookAgainMs): RunAgain {
    return { againAtMs: this.#ports.clock.nowMs() + afterMs };
  }

  async #end(state: 'done' | 'failed', failure?: MassOperation['failure']): Promise<void> {
    const { tenant, createdBy: actor, work } = this.#operation;
    const told = failure === undefined ? {} : { failure };
    const endedAtMs = this.#ports.clock.nowMs();
    const ended = { ...without(this.#operation, 'failure'), ...told, state, endedAtMs };
    if (state === 'done' && work.kind === 'reissue') {
      await closeTheOrder(this.#ports, ended, endedAtMs);
    }
    // Before it: an end that nobody was told of would be worse than one that is told twice.
    const action = state === 'done' ? 'mass-operation.ended' : 'mass-operation.failed';
    await recordAudit(this.#ports, { tenant, actor, action, detail: detailOf(ended) });
    await this.#save(ended);
  }

  /** Stores it; whoever paused or cancelled it meanwhile is right, and what was done stays counted. */
  async #save(wanted: MassOperation, outcome?: ChunkOutcome): Promise<void> {
    const before = this.#operation;
    let expected = before.version;
    let next: MassOperation = { ...wanted, version: expected + 1 };
    while (!(await this.#ports.operations.saveOperation(next, expected, outcome))) {
      const stored = await this.#stored();
      if (stored.version === next.version && sameCursor(stored.cursor, next.cursor)) {
        // Our own save, whose answer was lost.
        next = stored;
        break;
      }
      if (!sameCursor(stored.cursor, before.cursor)) throw new Superseded();
      expected = stored.version;
      next = {
        ...without(wanted, 'endedAtMs'),
        ...endOf(stored),
        state: stored.state,
        version: expected + 1,
      };
    }
    this.#operation = next;
  }

  async #stored(): Promise<MassOperation> {
    const { tenant, operationId } = this.#operation;
    const stored = await this.#ports.operations.getOperation(tenant, operationId);
    if (stored === undefined) throw new Superseded();
    return stored;
  }

  #assertRunning(): void {
    if (!this.#signal.aborted) return;
    throw new CertmillError('FAULT_STOPPING', 'the process stops; the operation goes on later');
  }
}

type EndCounts = Pick<MassCounts, 'issued' | 'rejected' | 'deadLettered'>;

/** What became of the requests that a reissue has uploaded so far. */
export async function reissuedCounts(
  { batches }: Pick<MassPorts, 'batches'>,
  tenant: TenantId,
  operationId: string,
): Promise<EndCounts & { readonly inFlight: number }> {
  const sum = { issued: 0, rejected: 0, deadLettered: 0, inFlight: 0 };
  for await (const batch of allPages((page) => batches.listBatches(tenant, operationId, page))) {
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

/** When the next step may begin, where there is a rate. */
function dueAfter(
  { ratePerSecond }: MassOperation,
  certificates: number,
  begunAtMs: number,
): Pick<MassCursor, 'dueAtMs'> {
  if (ratePerSecond === undefined || certificates === 0) return {};
  return { dueAtMs: Math.ceil(begunAtMs + (certificates / ratePerSecond) * 1_000) };
}

function targetOf({ target }: MassCursor): Pick<MassCursor, 'target'> {
  return target === undefined ? {} : { target };
}

function endOf({ endedAtMs }: MassOperation): { readonly endedAtMs?: number } {
  return endedAtMs === undefined ? {} : { endedAtMs };
}

function sameCursor(one: MassCursor, other: MassCursor): boolean {
  return (
    one.batch === other.batch &&
    one.chunkNumber === other.chunkNumber &&
    one.targetIndex === other.targetIndex &&
    one.begunAtMs === other.begunAtMs
  );
}
