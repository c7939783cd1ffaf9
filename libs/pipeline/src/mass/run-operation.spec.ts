import {
  CertmillError,
  chainAuditEntry,
  noMassCounts,
  type AuditEntry,
  type ChainedAuditEntry,
  type MassOperation,
} from '@certmill/domain';
import { aMassOperation } from '@certmill/ports/conformance';
import type { MassPorts } from './mass-ports.js';
import { runOperation } from './run-operation.js';
import { without } from './without.js';

const anOperation = aMassOperation({ begunEntry: 0, version: 0 });

/** A store of one operation that has nothing left to do, and what the audit trail is told. */
class AtItsEnd {
  stored = anOperation;
  readonly trail: ChainedAuditEntry[] = [];
  /** No two processes come to the end in the same millisecond; within one, runs wait for each other. */
  nowMs = 1_000;
  /** Called before each save, as often as there are functions. */
  readonly beforeSaves: (() => Promise<unknown>)[] = [];

  /** Called when the order of a renewal is looked at, which is another one than it wants: a CONFLICT. */
  atOrder: () => void = () => undefined;

  get told(): readonly string[] {
    return this.trail.map(({ action }) => action);
  }

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
      appendAudit: (entry: AuditEntry) => {
        const chained = chainAuditEntry(entry, this.trail.at(-1));
        this.trail.push(chained);
        return Promise.resolve(chained);
      },
      listAudit: ({ after = 0, limit }: { readonly after?: number; readonly limit: number }) =>
        Promise.resolve(this.trail.slice(after, after + limit)),
    },
    orders: {
      getOrder: () => {
        this.atOrder();
        return Promise.resolve({ issuer: 'another' });
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
    end.stored = { ...anOperation, writer: 'killed', decided: { state: 'done', atMs: 400 } };
    await end.run();
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored).toMatchObject({ state: 'done', endedAtMs: 400 });
    expect(end.stored.decided).toBeUndefined();
  });

  it('tells it once where the run before was killed when it had told it', async () => {
    const end = new AtItsEnd();
    end.beforeSaves.push(
      () => Promise.resolve(),
      () => Promise.reject(new CertmillError('FAULT_STORE_DOWN', 'killed')),
      () => Promise.reject(new CertmillError('FAULT_STORE_DOWN', 'killed')),
    );
    await expect(end.run()).rejects.toThrow('killed');
    expect(end.told).toEqual(['mass-operation.ended']);
    end.nowMs += 1_000;
    await end.run();
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored.state).toBe('done');
  });

  it('tells it once where two runs find it left over at the same time', async () => {
    const end = new AtItsEnd();
    end.stored = { ...anOperation, writer: 'killed', decided: { state: 'done', atMs: 400 } };
    await Promise.all([end.run(), end.run()]);
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored.state).toBe('done');
  });

  it('tells of its begin before it works, where the call that began it was killed', async () => {
    const end = new AtItsEnd();
    const decided = { state: 'running', atMs: 400, actor: 'olga' } as const;
    end.stored = { ...without(anOperation, 'begunEntry'), decided };
    await end.run();
    expect(end.trail).toMatchObject([
      { action: 'mass-operation.begun', actor: 'olga', atMs: 400 },
      { action: 'mass-operation.ended' },
    ]);
    expect(end.stored).toMatchObject({ state: 'done', begunEntry: end.trail[0]?.sequence });
  });

  it.each(['paused', 'cancelled'] as const)(
    'is %s where the call that asked for it was killed, and is told so of who asked',
    async (state) => {
      const end = new AtItsEnd();
      end.beforeSaves.push(() => {
        const decided = { state, atMs: end.nowMs, actor: 'otto' };
        end.stored = { ...end.stored, decided, version: end.stored.version + 1 };
        return Promise.resolve();
      });
      await end.run();
      expect(end.trail).toMatchObject([{ action: `mass-operation.${state}`, actor: 'otto' }]);
      const { atMs: endedAtMs } = end.trail[0] ?? {};
      expect(end.stored).toMatchObject({ state, endedAtMs });
      expect(end.stored.decided).toBeUndefined();
    },
  );

  it('leaves the end to a run that has just decided it', async () => {
    const end = new AtItsEnd();
    end.stored = { ...anOperation, writer: 'other', decided: { state: 'done', atMs: end.nowMs } };
    const { signal } = new AbortController();
    const again = await runOperation(end.ports, 'acme', 'give-up', signal);
    expect(again?.againAtMs).toBeGreaterThan(end.nowMs);
    expect(end.told).toEqual([]);
  });

  const failing: MassOperation = {
    ...anOperation,
    work: { kind: 'renew', issuer: 'second', profileName: 'tls-client', expiresAtMs: 9_000 },
    counts: { ...noMassCounts, submitted: 1 },
  };

  it('tells why it failed, once, and that it is so', async () => {
    const end = new AtItsEnd();
    end.stored = failing;
    await end.run();
    expect(end.told).toEqual(['mass-operation.failed']);
    expect(end.stored).toMatchObject({ state: 'failed', failure: { code: 'CONFLICT' } });
  });

  it('tells of no failure of a run that another one has taken over from', async () => {
    const end = new AtItsEnd();
    end.stored = failing;
    const lookedAt = { ...noMassCounts, submitted: 2 };
    end.atOrder = () => {
      end.stored = { ...failing, counts: lookedAt, listed: 2, writer: 'other', version: 9 };
    };
    await end.run();
    expect(end.told).toEqual(['mass-operation.ended']);
    expect(end.stored).toMatchObject({ state: 'done', counts: lookedAt });
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

  it('rests no longer than its rate asks for, although its last step was done by a clock that was ahead', async () => {
    const hourMs = 3_600_000;
    const { signal } = new AbortController();
    const restingSince = async (sinceMs: number): Promise<number | undefined> => {
      const end = new AtItsEnd();
      const rest = { sinceMs, untilMs: sinceMs + hourMs };
      end.stored = { ...anOperation, cursor: { ...anOperation.cursor, rest } };
      return (await runOperation(end.ports, 'acme', 'give-up', signal))?.againAtMs;
    };
    // A clock may be set by as much as 5 s.
    expect(await restingSince(5_000)).toBe(5_000 + hourMs);
    expect(await restingSince(hourMs)).toBeUndefined();
  });
});
