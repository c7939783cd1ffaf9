import { noMassCounts, type AuditEntry, type MassOperation } from '@certmill/domain';
import type { MassPorts } from './mass-ports.js';
import { runOperation } from './run-operation.js';

const anOperation: MassOperation = {
  tenant: 'acme',
  operationId: 'give-up',
  selection: { issuer: 'first' },
  work: { kind: 'revoke', reason: 'superseded' },
  freezeId: 'freeze',
  frozenBatches: 0,
  quota: 0,
  createdAtMs: 1,
  createdBy: 'olga',
  state: 'running',
  cursor: { batch: 0, chunkNumber: 0, targetIndex: 0 },
  counts: noMassCounts,
  version: 0,
};

/** A store of one operation that has nothing left to do, and what the audit trail is told. */
class AtItsEnd {
  stored = anOperation;
  readonly told: string[] = [];
  /** No two processes come to the end in the same millisecond; within one, runs wait for each other. */
  nowMs = 1_000;
  /** Called before each save, as often as there are functions. */
  readonly beforeSaves: (() => Promise<unknown>)[] = [];

  readonly ports = {
    operations: {
      getOperation: () => Promise.resolve(this.stored),
      frozenPage: () => Promise.resolve([]),
      saveOperation: async (operation: MassOperation, expected: number) => {
        await this.beforeSaves.shift()?.();
        if (this.stored.version !== expected) return false;
        this.stored = operation;
        return true;
      },
    },
    audit: {
      appendAudit: ({ action }: AuditEntry) => {
        this.told.push(action);
        return Promise.resolve({});
      },
    },
    clock: { nowMs: () => this.nowMs++ },
  } as unknown as MassPorts;

  /** Turn by turn until it wants no other. */
  async run(): Promise<void> {
    const { signal } = new AbortController();
    let again = await runOperation(this.ports, 'acme', 'give-up', signal);
    while (again !== undefined) {
      this.nowMs = Math.max(this.nowMs, again.againAtMs);
      again = await runOperation(this.ports, 'acme', 'give-up', signal);
    }
  }
}

describe('runOperation', () => {
  it('tells its end once, although two runs come to it at the same time', async () => {
    const end = new AtItsEnd();
    await Promise.all([end.run(), end.run()]);
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored).toMatchObject({ state: 'done' });
  });

  it('tells it also where the run before was killed while it ended', async () => {
    const end = new AtItsEnd();
    end.stored = { ...anOperation, cursor: { ...anOperation.cursor, begunAtMs: 900 } };
    await end.run();
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored.state).toBe('done');
  });

  it('ends nothing that was paused right before', async () => {
    const end = new AtItsEnd();
    end.beforeSaves.push(() => {
      end.stored = { ...end.stored, state: 'paused', version: end.stored.version + 1 };
      return Promise.resolve();
    });
    await end.run();
    expect(end.told).toEqual([]);
    expect(end.stored.state).toBe('paused');
  });
});
