import { CertmillError } from '@certmill/domain';
import type { Job } from '@certmill/ports';
import { buildCrl } from './build-crl.js';
import { processCrlJobs } from './crl-jobs.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

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
    let handler: (job: Job) => Promise<void> = () => Promise.resolve();
    const jobs = {
      add: () => Promise.resolve(),
      count: () => Promise.resolve(0),
      process: (_: string, __: unknown, own: typeof handler) => {
        handler = own;
        return Promise.resolve({ stop: () => Promise.resolve() });
      },
    };
    const failed: string[] = [];
    await processCrlJobs(
      { clock, crls, signer, revocations: { ...ports.revocations, [call]: refused } },
      jobs,
      defaultCrlPolicy,
      { built: () => undefined, failed: (_, __, { code }) => void failed.push(code) },
    );
    const running = handler({ id: 'devices-2', data: { ...ports.scope } });
    await expect(running).rejects.toMatchObject({ code: 'FAULT_STATUS_FORGED' });
    expect(failed).toEqual(['FAULT_STATUS_FORGED']);
    expect(await ports.crls.getCrl(ports.scope, 'full')).toBe(before);
  },
);
