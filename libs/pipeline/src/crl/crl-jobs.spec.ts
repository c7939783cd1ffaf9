import { CertmillError } from '@certmill/domain';
import type { Job, JobQueue } from '@certmill/ports';
import { buildCrl } from './build-crl.js';
import { processCrlJobs } from './crl-jobs.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { demandCrls } from './demand-crls.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

type Handler = (job: Job) => Promise<unknown>;

/** A queue whose jobs the test has run. */
function heldQueue(): { readonly jobs: JobQueue; readonly run: Handler } {
  let handler: Handler | undefined;
  const jobs: JobQueue = {
    add: () => Promise.resolve(),
    count: () => Promise.resolve(0),
    process: (_, __, own) => {
      handler = async (job) => own(job);
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  };
  return { jobs, run: async (job) => handler?.(job) };
}

test.each(['countChanges', 'listRevoked'] as const)(
  'where the rows are refused by %s it is told, and the CRL in force stays',
  async (call) => {
    const ports = new MemoryCrlPorts();
    ports.revoke(1);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    ports.revoke(2);
    const before = await ports.crls.getCrl(ports.scope, 'full');
    const refused = () => Promise.reject(new CertmillError('FAULT_STATUS_FORGED', 'cut off'));
    const { clock, crls, signer } = ports;
    const { jobs, run } = heldQueue();
    const failed: string[] = [];
    await processCrlJobs(
      { clock, crls, signer, revocations: { ...ports.revocations, [call]: refused } },
      jobs,
      defaultCrlPolicy,
      { built: () => undefined, failed: (_, __, { code }) => void failed.push(code) },
    );
    const running = run({ id: 'devices-2', data: { ...ports.scope } });
    await expect(running).rejects.toMatchObject({ code: 'FAULT_STATUS_FORGED' });
    expect(failed).toEqual(['FAULT_STATUS_FORGED']);
    expect(await ports.crls.getCrl(ports.scope, 'full')).toBe(before);
  },
);

describe('a demand', () => {
  const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };
  const scopeJob = { id: 'devices-2', data: { issuer: 'devices', shard: 2 } };
  const silent = { built: () => undefined, failed: () => undefined };
  let ports: MemoryCrlPorts;
  let run: Handler;
  beforeEach(async () => {
    ports = new MemoryCrlPorts();
    const queue = heldQueue();
    ({ run } = queue);
    await processCrlJobs(ports, queue.jobs, withDeltas, silent);
    await run(scopeJob);
    ports.nowMs += 1;
    ports.revoke(1);
    await run(scopeJob);
    ports.nowMs += 1;
  });
  const demanded = async (kind: 'full' | 'delta'): Promise<readonly Job[]> => {
    await demandCrls(ports, 'devices', 3, kind);
    return ports.added.splice(0).filter(({ data }) => data['shard'] === 2);
  };
  const full = () => ports.crls.describeCrl(ports.scope, 'full');

  it('is one job of each shard, of its own beside what is due, and the same one until it is met', async () => {
    expect(await full()).toMatchObject({ changes: 0, entries: 0 });
    const [job] = await demanded('full');
    expect(job?.id).not.toBe(scopeJob.id);
    expect(await demanded('full')).toEqual([job]);
    await run(job!);
    expect(await full()).toMatchObject({ changes: 1, entries: 1 });
    const [next] = await demanded('full');
    expect(next?.id).not.toBe(job?.id);
  });

  it('that was met meanwhile makes nothing more', async () => {
    const [job] = await demanded('full');
    await run(job!);
    const { length } = ports.signed;
    await run(job!);
    expect(ports.signed).toHaveLength(length);
  });

  it('is not met by a full CRL that was begun before what it wants was revoked', async () => {
    const { clock, crls, revocations, signer } = ports;
    const jobs: Job[] = [];
    const beside = {
      ...{ clock, crls, signer },
      revocations: {
        ...revocations,
        async listRevoked(...page: Parameters<typeof revocations.listRevoked>) {
          const rows = await revocations.listRevoked(...page);
          ports.revoke(2);
          jobs.push(...(await demanded('full')));
          return rows;
        },
      },
    };
    await buildCrl(beside, withDeltas, ports.scope, 'full');
    expect(await full()).toMatchObject({ changes: 1, entries: 1 });
    ports.nowMs += 1;
    for (const job of jobs) await run(job);
    expect(await full()).toMatchObject({ changes: 2, entries: 2 });
  });

  it('of a delta is refused where the full CRLs point to none', async () => {
    const [job] = await demanded('delta');
    await run(job!);
    expect(await ports.crls.describeCrl(ports.scope, 'delta')).toMatchObject({ entries: 1 });
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    await expect(demandCrls(ports, 'devices', 3, 'delta')).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });
});
