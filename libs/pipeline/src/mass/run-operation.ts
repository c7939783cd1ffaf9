import {
  CertmillError,
  inFlightOf,
  isCertmillError,
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
import { lookedAtIn, sumOf } from './mass-counts.js';
import { FrozenSelection } from './frozen-selection.js';
import type { MassPorts } from './mass-ports.js';
import { openRenewal } from './open-renewal.js';
import { doStep, planStep } from './mass-step.js';
import { eachPending, withoutPending, withPending, type PendingChunk } from './pending-chunks.js';
import { readChunk, type MassChunk } from './read-chunk.js';
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
  /** Of this turn: chunks that have not ended. */
  readonly #seenPending = new Set<string>();
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
      if (await this.#stepLate()) continue;
      const again = (await this.#settle()) ?? (await this.#beginEnd());
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
    const chunk = await readChunk(this.#ports, tenant, batch, cursor.chunkNumber, selection);
    const done = await this.#do(batch, chunk);
    if (done === undefined) return;
    const { operation, targetIndex, counts, due } = done;
    const next: MassCursor = chunk.isLast
      ? { batch: cursor.batch + 1, chunkNumber: 0, targetIndex: 0 }
      : {
          batch: cursor.batch,
          chunkNumber: cursor.chunkNumber + 1,
          targetIndex,
          ...targetOf(operation.cursor),
        };
    const isPending = chunk.pending > 0 && operation.work.kind === 'revoke';
    await this.#save({
      ...without(operation, 'failure'),
      ...(isPending ? { pending: withPending(operation.pending ?? [], cursor) } : {}),
      cursor: { ...next, ...due },
      counts: sumOf(counts, lookedAtIn(chunk)),
    });
  }

  /** Looks again at what was on its way; false where nothing of it has ended meanwhile. */
  async #stepLate(): Promise<boolean> {
    const { tenant, selection, pending = [], cursor } = this.#operation;
    for (const late of cursor.late === undefined ? eachPending(pending) : [cursor.late]) {
      const name = `${String(late.batch)}.${String(late.chunkNumber)}`;
      const batch = await this.#frozen.at(late.batch);
      if (batch === undefined || this.#seenPending.has(name)) continue;
      this.#assertRunning();
      const chunk = await readChunk(this.#ports, tenant, batch, late.chunkNumber, selection);
      if (chunk.pending > 0) {
        this.#seenPending.add(name);
        continue;
      }
      const done = await this.#do(batch, chunk, late);
      if (done === undefined) return true;
      const { operation, counts, due } = done;
      await this.#save({
        ...without(operation, 'failure'),
        pending: withoutPending(pending, late),
        cursor: {
          batch: cursor.batch,
          chunkNumber: cursor.chunkNumber + 1,
          targetIndex: 0,
          ...due,
        },
        counts: sumOf(counts, { pending: -chunk.requests, selected: chunk.certificates.length }),
      });
      return true;
    }
    return false;
  }

  /** Stores that a step is begun, and does it; undefined where somebody has paused or cancelled the operation. */
  async #do(batch: FrozenBatch, chunk: MassChunk, late?: PendingChunk) {
    const { cursor } = this.#operation;
    const isRepeated = cursor.begunAtMs !== undefined;
    const hasWork = chunk.certificates.length > 0 || cursor.targetIndex > 0;
    const planned = hasWork
      ? await planStep(this.#ports, this.#operation, batch, chunk)
      : undefined;
    if (planned !== undefined) {
      const place = late === undefined ? {} : { late };
      await this.#save({ ...this.#operation, cursor: { ...planned, ...place } });
      if (!this.#isRunning()) return undefined;
    }
    const operation = this.#operation;
    const begunAtMs = operation.cursor.begunAtMs ?? this.#ports.clock.nowMs();
    const signal = this.#signal;
    const outcome = await doStep(this.#ports, {
      operation,
      batch,
      chunk,
      begunAtMs,
      isRepeated,
      signal,
    });
    return {
      operation,
      targetIndex: outcome.targetIndex,
      counts: sumOf(operation.counts, outcome.counts),
      due: dueAfter(operation, chunk.certificates.length, begunAtMs),
    };
  }

  /**
   * Of a revocation: when to look again at what is on its way. Of a reissue: when to look again, until everything that was uploaded has ended; its counts grow with
   * it. Of a renewal: its order is open afterwards.
   */
  async #settle(): Promise<RunAgain | undefined> {
    const { tenant, operationId, work } = this.#operation;
    if (work.kind === 'revoke') {
      const isWaiting = (this.#operation.pending ?? []).length > 0;
      return isWaiting ? this.#lookAgain(lookAtPendingMs) : undefined;
    }
    if (work.kind === 'renew') {
      await openRenewal(this.#ports, this.#operation, this.#frozen, work, this.#signal);
      await this.#look();
      return undefined;
    }
    const { inFlight, ...ended } = await reissuedCounts(this.#ports, tenant, operationId);
    const before = without(this.#operation, 'failure');
    if (!isSameEnd(before.counts, ended)) {
      await this.#save({ ...before, counts: { ...before.counts, ...ended } });
    }
    return inFlight === 0 ? undefined : this.#lookAgain();
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
    const { tenant, createdBy: actor, counts, work, operationId } = this.#operation;
    const told = failure === undefined ? {} : { failure };
    const endedAtMs = this.#ports.clock.nowMs();
    const ended = { ...without(this.#operation, 'failure'), ...told, state, endedAtMs };
    if (state === 'done' && work.kind === 'reissue' && counts.deadLettered === 0) {
      await this.#ports.orders.closeOrder(tenant, operationId, endedAtMs);
    }
    // Before it: an end that nobody was told of would be worse than one that is told twice.
    const action = state === 'done' ? 'mass-operation.ended' : 'mass-operation.failed';
    await recordAudit(this.#ports, { tenant, actor, action, detail: detailOf(ended) });
    await this.#save(ended);
  }

  /** Stores it; whoever paused or cancelled it meanwhile is right, and what was done stays counted. */
  async #save(wanted: MassOperation): Promise<void> {
    const before = this.#operation;
    let expected = before.version;
    let next: MassOperation = { ...wanted, version: expected + 1 };
    while (!(await this.#ports.operations.saveOperation(next, expected))) {
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

  async #look(): Promise<void> {
    const stored = await this.#stored();
    if (!sameCursor(stored.cursor, this.#operation.cursor)) throw new Superseded();
    this.#operation = stored;
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
