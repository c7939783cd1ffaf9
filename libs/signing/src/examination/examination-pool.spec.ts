import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rejectionCodeOf, type CertmillError } from '@certmill/domain';
import { decodeReceivedChunk } from '@certmill/events';
import type { Stoppable } from '@certmill/ports';
import { examineChunk } from '@certmill/pipeline/compute';
import { aChunk, tlsClient, tlsClientHash, tlsClientText } from '../testing/a-chunk.js';
import { aDeviceRequest } from '../testing/a-device-request.js';
import { TaskPool } from '../worker-pool/task-pool.js';
import {
  ExaminationPool,
  openExaminationPool,
  type ExaminationPoolOptions,
  type OpenExaminationPool,
} from './open-examination-pool.js';

const opened: Stoppable[] = [];
const profiles = (profileHash: string): string | undefined =>
  profileHash === tlsClientHash ? tlsClientText : undefined;

async function open(options: Partial<ExaminationPoolOptions> = {}): Promise<OpenExaminationPool> {
  const pool = await openExaminationPool({ profiles, threads: 1, ...options });
  opened.push(pool);
  return pool;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error as CertmillError).code,
  );
}

const udidOf = (spki: Uint8Array): Buffer => hash('sha256', spki, 'buffer');

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.stop(1_000)));
});

describe('the examination pool', () => {
  it('says in a worker exactly what the examination says in place', async () => {
    const requests = Array.from({ length: 40 }, (_, i) =>
      aDeviceRequest(`device-${String(i)}`, i % 7 === 2 ? { forged: true } : {}),
    );
    const lost = { der: Buffer.from('not a request'), subjectPKInfoDer: new Uint8Array() };
    const { received } = aChunk({ requests: [...requests, lost, aDeviceRequest('stranger')] });
    const pool = await open();
    const inPlace = examineChunk(decodeReceivedChunk(received), tlsClient);
    const inWorker = await pool.examine(received, 'bulk');

    const columns = inPlace.csrValues.reduce((most, row) => Math.max(most, row.length), 0);
    expect({ ...inWorker, udids: Buffer.from(inWorker.udids) }).toEqual({
      ...inPlace,
      udids: Buffer.from(inPlace.udids),
      csrValues: inPlace.csrValues.map((row) => Array.from({ length: columns }, (_, i) => row[i])),
    });
    const codes = inWorker.codes.map((code) => (code === 0 ? 'ok' : rejectionCodeOf(code)));
    expect(codes.slice(0, 4)).toEqual(['ok', 'ok', 'CSR_POP_INVALID', 'ok']);
    expect(codes.slice(40)).toEqual(['CSR_DER_MALFORMED', 'SUBJECT_MISMATCH']);
    expect(Buffer.from(inWorker.udids.subarray(0, 32))).toEqual(
      udidOf(requests[0]!.subjectPKInfoDer),
    );
  });

  it('leaves the received bytes to the caller, for a retry', async () => {
    const { received } = aChunk({ count: 2 });
    const before = Buffer.from(received);
    const pool = await open();
    await pool.examine(received, 'bulk');
    expect(Buffer.from(received)).toEqual(before);
  });

  it('asks for a profile once per worker', async () => {
    const asked: string[] = [];
    const pool = await open({
      profiles: (profileHash) => {
        asked.push(profileHash);
        return profiles(profileHash);
      },
    });
    const { received } = aChunk({ count: 2 });
    for (let i = 0; i < 3; i++) await pool.examine(received, 'bulk');
    expect(asked).toEqual([tlsClientHash]);
    await pool.examine(received, 'interactive');
    expect(asked).toHaveLength(2);
  });

  it('faults on a chunk of an unknown profile, a profile of other content, and on no chunk', async () => {
    const { received } = aChunk({ received: { profileHash: 'cd'.repeat(32) } });
    expect(await codeOf((await open()).examine(received, 'bulk'))).toBe('FAULT_PROCESSING');
    const lying = await open({ profiles: () => tlsClientText });
    expect(await codeOf(lying.examine(received, 'bulk'))).toBe('FAULT_STORE_CORRUPT');
    expect(await codeOf(lying.examine(received.subarray(0, 50), 'bulk'))).toBe(
      'FAULT_EVENT_UNDECODABLE',
    );
  });

  it('rejects the keys of the blocklist, and does not open without it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-examination-'));
    try {
      const requests = [aDeviceRequest('device-0'), aDeviceRequest('device-1')];
      const blocklistFile = join(folder, 'blocklist');
      const hex = udidOf(requests[1]!.subjectPKInfoDer).toString('hex');
      writeFileSync(blocklistFile, `# leaked\n${hex}\n`);
      const pool = await open({ blocklistFile, threads: 2 });
      const { codes } = await pool.examine(aChunk({ requests }).received, 'bulk');
      expect(codes.map(rejectionCodeOf)).toEqual([undefined, 'KEY_COMPROMISED']);
      const missing = open({ blocklistFile: join(folder, 'missing') });
      expect(await codeOf(missing)).toBe('CONFIG_INVALID');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses more than its queue holds with FAULT_OVERLOADED', async () => {
    const pool = await open({ maxQueue: 2 });
    const { received } = aChunk({ count: 8 });
    const codes = await Promise.all(
      Array.from({ length: 5 }, () => codeOf(pool.examine(received, 'bulk'))),
    );
    expect(codes).toEqual([
      ...Array<string>(3).fill('resolved'),
      'FAULT_OVERLOADED',
      'FAULT_OVERLOADED',
    ]);
  });

  it('examines a single enrolment while bulk chunks wait', async () => {
    const pool = await open();
    const bulk = aChunk({ count: 256 }).received;
    let bulkDone = 0;
    const running = Array.from({ length: 12 }, async () => {
      await pool.examine(bulk, 'bulk');
      bulkDone++;
    });
    await pool.examine(aChunk({ count: 1 }).received, 'interactive');
    expect(bulkDone).toBeLessThan(6);
    await Promise.all(running);
  });

  it('has workers for the lanes of its process only', async () => {
    const { received } = aChunk({ count: 1 });
    for (const [lane, other] of [
      ['bulk', 'interactive'],
      ['interactive', 'bulk'],
    ] as const) {
      const pool = await open({ lanes: [lane], threads: 2, interactiveThreads: 3, maxQueue: 4 });
      expect(pool.load()).toEqual([{ lane, outstanding: 0, capacity: lane === 'bulk' ? 6 : 7 }]);
      expect((await pool.examine(received, lane)).codes).toEqual([0]);
      expect(await codeOf(pool.examine(received, other))).toBe('FAULT_PROCESSING');
    }
  });

  it('takes nothing more once it is stopped', async () => {
    const pool = await open();
    await pool.stop(1_000);
    expect(await codeOf(pool.examine(aChunk().received, 'bulk'))).toBe('FAULT_STOPPING');
  });
});

describe('a worker that dies of a chunk', () => {
  const workerFile = new URL('../testing/dying-examination.worker.js', import.meta.url);
  const lane = (): TaskPool =>
    new TaskPool({
      workerFile,
      workerData: {},
      lane: 'bulk',
      threads: 1,
      maxQueue: 8,
      taskTimeoutMs: 20_000,
    });

  it('fails only that chunk, with a fault to retry, and at the third time for good', async () => {
    const pool = new ExaminationPool(profiles, { bulk: lane(), interactive: lane() });
    opened.push(pool);
    const deadly = Buffer.from('deadly');
    const harmless = Buffer.from('harmless');
    const codes = [];
    for (let i = 0; i < 3; i++) {
      codes.push(
        ...(await Promise.all([
          codeOf(pool.examine(deadly, 'bulk')),
          codeOf(pool.examine(harmless, 'bulk')),
        ])),
      );
    }
    expect(codes.filter((_, i) => i % 2 === 0)).toEqual([
      'FAULT_WORKER_LOST',
      'FAULT_WORKER_LOST',
      'FAULT_PROCESSING',
    ]);
    expect(codes.filter((_, i) => i % 2 === 1)).toEqual(Array(3).fill('resolved'));
  });
});
