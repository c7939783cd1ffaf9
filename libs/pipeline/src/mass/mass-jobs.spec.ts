import { CertmillError, noMassCounts, type AuditEntry, type MassOperation } from '@certmill/domain';
import type { Job, JobHandler, JobQueue, OutcomeQuery } from '@certmill/ports';
import { aMassOperation } from '@certmill/ports/conformance';
import { processMassJobs } from './mass-jobs.js';
import type { MassPorts } from './mass-ports.js';

/** Running operations of a store, and a queue that a test works off by hand. */
class Installation {
  nowMs = 1_000;
  readonly jobs: Job[] = [];
  readonly faults: (readonly [string | undefined, string])[] = [];
  readonly running: MassOperation[] = [];
  readonly saved: MassOperation[] = [];
  /** By the audit trail. */
  readonly told: string[] = [];
  /** Awaited by each look into an operation. */
  held: Promise<unknown> = Promise.resolve();
  handle: JobHandler = () => Promise.resolve();

  readonly #ports = {
    operations: {
      listRunning: () => Promise.resolve({ items: this.running }),
      getOperation: async () => {
        await this.held;
        return undefined;
      },
      saveOperation: (operation: MassOperation) => {
        this.saved.push(operation);
        return Promise.resolve(true);
      },
    },
    audit: {
      appendAudit: ({ action, detail }: AuditEntry) => {
        const name = String(detail['operation']);
        if (name === 'stuck') throw new CertmillError('FAULT_STORE_DOWN', 'away');
        this.told.push(`${action} ${name}`);
        return Promise.resolve({ sequence: 1 });
      },
    },
    clock: { nowMs: () => this.nowMs },
  } as unknown as MassPorts;

  readonly #queue = {
    add: (_: string, job: Job) => {
      this.jobs.push(job);
      return Promise.resolve();
    },
    process: (_: string, __: object, handler: JobHandler) => {
      this.handle = handler;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  } as unknown as JobQueue;

  start(): Promise<{ stop(timeoutMs: number): Promise<void> }> {
    const told = (operation: string | undefined, { code }: CertmillError): void => {
      this.faults.push([operation, code]);
    };
    return processMassJobs(this.#ports, this.#queue, told);
  }

  turn(tenant: string, operationId: string): ReturnType<JobHandler> {
    return this.handle({ id: `${tenant}.${operationId}`, data: { tenant, operationId } });
  }
}

function anOperation(tenant: string, operationId: string, version = 1): MassOperation {
  return aMassOperation({ tenant, operationId, version });
}

describe('processMassJobs', () => {
  it('gives a job to every operation that runs, of all tenants: one, whatever its version', async () => {
    const at = new Installation();
    at.running.push(anOperation('acme', 'lost'), anOperation('globex', 'lost'));
    const first = await at.start();
    await first.stop(0);
    at.running[0] = anOperation('acme', 'lost', 2);
    const second = await at.start();
    await second.stop(0);
    const ids = ['acme.lost', 'globex.lost'];
    expect(at.jobs.map(({ id }) => id)).toEqual([...ids, ...ids]);
  });

  it('has become what was decided whatever rests, and a fault of one keeps no other waiting', async () => {
    const at = new Installation();
    const decided = { state: 'cancelled', actor: 'otto' } as const;
    const left = { ...anOperation('acme', 'left'), decided: { ...decided, atMs: at.nowMs - 500 } };
    at.running.push({ ...left, operationId: 'stuck' }, left, {
      ...left,
      operationId: 'asked',
      decided: { ...decided, atMs: at.nowMs - 499 },
    });
    const running = await at.start();
    await running.stop(0);
    expect(at.faults).toEqual([['stuck', 'FAULT_STORE_DOWN']]);
    expect(at.told).toEqual(['mass-operation.cancelled left']);
    expect(at.saved.at(-1)).toMatchObject({ operationId: 'left', state: 'cancelled' });
    expect(at.jobs.map(({ id }) => id)).toEqual(['acme.stuck', 'acme.left', 'acme.asked']);
  });

  it('leaves places to other tenants, and lets those that found none come first', async () => {
    const at = new Installation();
    const running = await at.start();
    const gate = Promise.withResolvers<undefined>();
    at.held = gate.promise;
    const turns = ['one', 'two'].map((name) => at.turn('acme', name));
    const sentAway = await at.turn('acme', 'three');
    expect(sentAway).toEqual({ againAtMs: at.nowMs + 250 });
    const others = at.turn('globex', 'urgent');
    gate.resolve(undefined);
    expect(await Promise.all([...turns, others])).toEqual([undefined, undefined, undefined]);
    expect(await at.turn('acme', 'three')).toBeUndefined();
    await running.stop(0);
  });

  it('tries again after faults, with pauses that grow to half a minute', async () => {
    const at = new Installation();
    const running = await at.start();
    const pauses: number[] = [];
    for (let times = 0; times < 7; times += 1) {
      at.held = Promise.reject(new Error('the store is away'));
      const again = await at.turn('acme', 'stuck');
      pauses.push((again?.againAtMs ?? 0) - at.nowMs);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(at.faults[0]).toEqual(['stuck', 'FAULT_PROCESSING']);
    await running.stop(0);
  });
});

/** A store that takes its time, with an operation that waits for one chunk of a large selection. */
class SlowStore {
  nowMs = 1_000;
  fault: CertmillError | undefined;
  looks = 0;
  lists = 0;
  /** Awaited by the list of who renews before it is in force. */
  beforeList: () => void = () => undefined;
  stored: MassOperation;
  handle: JobHandler = () => Promise.resolve();

  constructor(work: MassOperation['work']) {
    const behind = { batch: 1, chunkNumber: 0, targetIndex: 0 };
    const waiting = { ...anOperation('acme', 'late'), work, frozenBatches: 1, cursor: behind };
    this.stored = { ...waiting, counts: { ...noMassCounts, pending: 1, submitted: 1 } };
  }

  readonly #ports = {
    operations: {
      listRunning: () => Promise.resolve({ items: [] }),
      getOperation: () => Promise.resolve(this.stored),
      frozenPage: () =>
        Promise.resolve([{ batchId: 'ab'.repeat(13), orderId: 'spring', nextIndex: 1 }]),
      listOutcomes: (_: unknown, { isPending, after }: OutcomeQuery) => {
        if (isPending === true) this.looks += 1;
        this.nowMs += 1_500;
        if (after !== undefined) return Promise.resolve([]);
        return Promise.resolve([{ batch: 0, chunkNumber: 0, isPending: true, runs: [] }]);
      },
      saveOperation: (operation: MassOperation, expected: number) => {
        if (this.stored.version !== expected) return Promise.resolve(false);
        // Another one is known by the next look.
        const submitted = operation.counts.submitted + (operation.listed === undefined ? 0 : 1);
        this.stored = { ...operation, counts: { ...operation.counts, submitted } };
        return Promise.resolve(true);
      },
    },
    certificates: { getSegment: () => Promise.resolve(undefined) },
    batches: { getRegistration: () => Promise.resolve({ firstIndex: 0, count: 1 }) },
    orders: {
      getOrder: () =>
        Promise.resolve({
          ...{ profileName: 'tls-client', issuer: 'second', quota: 0, expiresAtMs: 9_000 },
          ...{ requiresAllowList: true, renews: true },
        }),
      importAllowList: async (_: string, __: string, rows: AsyncIterable<unknown>) => {
        this.beforeList();
        await Array.fromAsync(rows);
        this.lists += 1;
      },
    },
    clock: { nowMs: () => this.nowMs },
  } as unknown as MassPorts;

  readonly #queue = {
    add: () => Promise.resolve(),
    process: (_: string, __: object, handler: JobHandler) => {
      this.handle = handler;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  } as unknown as JobQueue;

  async runFor(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    const running = await processMassJobs(this.#ports, this.#queue, (_, error) => {
      this.fault = error;
    });
    const data = { tenant: 'acme', operationId: 'late' };
    while (this.nowMs < endMs) {
      const again = await this.handle({ id: 'acme.late', data });
      this.nowMs = Math.max(this.nowMs, again?.againAtMs ?? endMs);
    }
    await running.stop(0);
    if (this.fault !== undefined) throw this.fault;
  }
}

describe('an operation that waits for what is on its way', () => {
  const hourMs = 3_600_000;
  const renewal: MassOperation['work'] = {
    ...{ kind: 'renew', issuer: 'second', profileName: 'tls-client', expiresAtMs: 9_000 },
  };

  it('looks at it for no more than a tenth of the time', async () => {
    const at = new SlowStore({ kind: 'revoke', reason: 'superseded' });
    await at.runFor(hourMs);
    expect(at.looks).toBeGreaterThan(100);
    expect(at.looks * 1_500).toBeLessThan(hourMs / 9);
  });

  it('puts no list of who renews in force more often, although each look finds more', async () => {
    const at = new SlowStore(renewal);
    await at.runFor(hourMs);
    expect(at.lists).toBeGreaterThan(50);
    expect(at.lists * 3_000).toBeLessThan(hourMs / 9);
  });

  it('puts none in force once another run has taken over', async () => {
    const at = new SlowStore(renewal);
    at.beforeList = () => {
      at.stored = { ...at.stored, writer: 'other', state: 'paused', version: 9 };
    };
    await at.runFor(5_000);
    expect(at.lists).toBe(0);
  });
});
