import { noMassCounts, type CertmillError, type MassOperation } from '@certmill/domain';
import type { Job, JobHandler, JobQueue } from '@certmill/ports';
import { processMassJobs } from './mass-jobs.js';
import type { MassPorts } from './mass-ports.js';

/** Running operations of a store, and a queue that a test works off by hand. */
class Installation {
  nowMs = 1_000;
  readonly jobs: Job[] = [];
  readonly faults: (readonly [string | undefined, string])[] = [];
  readonly running: MassOperation[] = [];
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
  return {
    tenant,
    operationId,
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
    version,
  };
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
