import {
  chainAuditEntry,
  type AuditEntry,
  type ChainedAuditEntry,
  type ChunkOutcome,
  type MassOperation,
} from '@certmill/domain';
import { aMassOperation } from '@certmill/ports/conformance';
import { controlOperation } from './control-operation.js';
import type { MassCallPorts } from './mass-ports.js';
import { StoredOperation } from './stored-operation.js';
import { untilSettled } from './until-settled.js';

const nowMs = 1_000_000;
const hourMs = 3_600_000;

const anOperation = aMassOperation({ frozenBatches: 1, quota: 250, begunEntry: 0 });

/** A store of one operation, and the audit trail. */
class Installation {
  stored = anOperation;
  nowMs = nowMs;
  readonly outcomes: ChunkOutcome[] = [];
  readonly trail: ChainedAuditEntry[] = [];
  /** Called behind each save that was done, as often as there are functions. */
  readonly afterSaves: (() => Promise<unknown>)[] = [];
  /** Called before each look. */
  beforeLook: () => void = () => undefined;

  readonly ports = {
    operations: {
      getOperation: () => {
        this.beforeLook();
        return Promise.resolve(this.stored);
      },
      saveOperation: async (operation: MassOperation, expected: number, outcome?: ChunkOutcome) => {
        if (this.stored.version !== expected) return false;
        this.stored = operation;
        if (outcome !== undefined) this.outcomes.push(outcome);
        await this.afterSaves.shift()?.();
        return true;
      },
    },
    audit: {
      appendAudit: (entry: AuditEntry) => {
        const chained = chainAuditEntry(entry, this.trail.at(-1));
        this.trail.push(chained);
        return Promise.resolve(chained);
      },
      listAudit: ({ after = 0, limit }: { readonly after?: number; readonly limit: number }) =>
        Promise.resolve(this.trail.slice(after, after + limit)),
    },
    clock: { nowMs: () => this.nowMs },
  } as unknown as MassCallPorts;
}

const outcome: ChunkOutcome = {
  ...{ batch: 0, chunkNumber: 0, isPending: false },
  runs: [{ index: 0, count: 250, outcome: 'changed' }],
};

/** A run that has begun a step, and stores what came of it. */
async function stepOf(at: Installation): Promise<() => Promise<void>> {
  const run = new StoredOperation(at.ports.operations, at.stored);
  const { cursor, counts } = at.stored;
  await run.save({ ...at.stored, cursor: { ...cursor, begunAtMs: nowMs } });
  const next = { batch: 1, chunkNumber: 0, targetIndex: 0 };
  return () =>
    run.save({ ...run.current, cursor: next, counts: { ...counts, changed: 250 } }, outcome);
}

const becomes = { pause: 'paused', cancel: 'cancelled' } as const;

describe.each(['pause', 'cancel'] as const)('to %s an operation', (control) => {
  it.each([
    ['decided', 0],
    ['settled', 1],
  ])('keeps what came of the step in hand, that ends when it is %s', async (_, saves) => {
    const at = new Installation();
    const endStep = await stepOf(at);
    const nothing = (): Promise<void> => Promise.resolve();
    at.afterSaves.push(...Array.from({ length: saves }, () => nothing), endStep);
    await controlOperation(at.ports, 'otto', 'acme', 'give-up', control);
    expect(at.stored).toMatchObject({
      state: becomes[control],
      cursor: { batch: 1 },
      counts: { changed: 250 },
    });
    expect(at.stored.decided).toBeUndefined();
    expect(at.outcomes).toEqual([outcome]);
  });

  it('tells what came of a step that has ended before it is told', async () => {
    const at = new Installation();
    at.afterSaves.push(await stepOf(at));
    await controlOperation(at.ports, 'otto', 'acme', 'give-up', control);
    const action = `mass-operation.${becomes[control]}`;
    expect(at.trail).toMatchObject([{ action, actor: 'otto', detail: { changed: 250 } }]);
  });

  it.each([
    ['decided', { atMs: nowMs + hourMs }],
    ['taken over', { atMs: nowMs - hourMs, takenAtMs: nowMs + hourMs }],
  ])(
    'does it at once where what was asked before was left over, %s by a clock that was ahead',
    async (_, times) => {
      const at = new Installation();
      at.stored = { ...anOperation, decided: { state: 'paused', actor: 'olga', ...times } };
      at.beforeLook = () => (at.nowMs += 1);
      await controlOperation(at.ports, 'otto', 'acme', 'give-up', control);
      expect(at.nowMs).toBeLessThan(nowMs + 500);
      expect(at.stored).toMatchObject({ state: becomes[control] });
      expect(at.trail[0]).toMatchObject({ action: 'mass-operation.paused', actor: 'olga' });
    },
  );
});

describe('a run that saves', () => {
  it('knows its own save, whose answer was lost, also under a change on top of it', async () => {
    const at = new Installation();
    const run = new StoredOperation(at.ports.operations, at.stored);
    const { operations } = at.ports;
    const saveOperation = operations.saveOperation.bind(operations);
    const decided = { state: 'paused', atMs: nowMs, actor: 'otto' } as const;
    operations.saveOperation = async (...args) => {
      await saveOperation(...args);
      const { version } = at.stored;
      await saveOperation({ ...at.stored, decided, version: version + 1 }, version);
      return false;
    };
    await run.save({ ...at.stored, cursor: { batch: 1, chunkNumber: 0, targetIndex: 0 } }, outcome);
    expect(run.current).toEqual(at.stored);
    expect(run.current).toMatchObject({ cursor: { batch: 1 }, decided });
    expect(at.outcomes).toEqual([outcome]);
  });
});

describe('who waits until an operation is settled', () => {
  /** Somebody takes it over again and again, and never ends. */
  function neverSettled(): Installation {
    const at = new Installation();
    const decided = { state: 'paused', atMs: nowMs, actor: 'olga' } as const;
    at.beforeLook = () => {
      at.nowMs += 50;
      at.stored = { ...at.stored, decided: { ...decided, takenAtMs: at.nowMs } };
    };
    at.beforeLook();
    return at;
  }

  it('does not wait for ever', async () => {
    const at = neverSettled();
    const waiting = untilSettled(at.ports, at.stored, false, 150);
    await expect(waiting).rejects.toMatchObject({ code: 'FAULT_OVERLOADED' });
  });

  it('waits no more when the process stops', async () => {
    const at = neverSettled();
    const stop = new AbortController();
    const ports = { ...at.ports, stopping: stop.signal };
    const waiting = controlOperation(ports, 'otto', 'acme', 'give-up', 'cancel');
    setTimeout(() => stop.abort(), 20);
    await expect(waiting).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
  });
});
