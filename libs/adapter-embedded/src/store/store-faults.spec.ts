import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inFlightOf, rejectionNumber } from '@certmill/domain';
import { decideAlone } from '@certmill/ports/conformance';
import { openEmbeddedStore, type EmbeddedStore } from './embedded-store.js';
import { faultyDisk } from './faulty-disk-url.fixture.js';
import {
  batch,
  chunkCount,
  chunkOf,
  codesOf,
  issueFleet,
  order,
  quota,
  tenant,
} from './issue-fleet.fixture.js';

const clock = { nowMs: () => 1 };
const steps = [
  { step: 'write', at: 4 },
  { step: 'fdatasync', at: 3 },
  { step: 'commit:registerChunk', at: 3 },
  { step: 'commit:decide', at: 3 },
  { step: 'commit:publish', at: 3 },
];
const exceeded = rejectionNumber('ORDER_QUOTA_EXCEEDED');

/** Acknowledged verdicts by chunk, and acknowledged ends. */
interface Acknowledged {
  readonly decided: Map<number, string>;
  readonly published: Set<number>;
}

function noteIn({ decided, published }: Acknowledged) {
  return (what: 'decided' | 'published', chunk: number, verdict: string): void => {
    if (what === 'decided') decided.set(chunk, verdict);
    else published.add(chunk);
  };
}

async function assertKept(store: EmbeddedStore, { decided, published }: Acknowledged) {
  let accepted = 0;
  for (let n = 0; n < chunkCount; n += 1) {
    const chunk = chunkOf(n);
    const verdict = await store.getVerdict(chunk.ref);
    const verdictHex = verdict && Buffer.from(verdict).toString('hex');
    if (decided.has(n)) expect(verdictHex).toBe(decided.get(n));
    if (verdictHex !== undefined) {
      accepted += codesOf(chunk, verdictHex).filter((code) => code === 0).length;
    }
    const segment = await store.getSegment(chunk.ref);
    if (segment !== undefined) {
      expect(Buffer.from(segment)).toEqual(Buffer.from(chunk.terminal().segment));
    } else {
      expect(published).not.toContain(n);
    }
  }
  expect(await store.reservedUnder(tenant, 'order')).toBe(accepted);
  expect(accepted).toBeLessThanOrEqual(quota);
  const stored = await store.getBatch(tenant, batch.batchId);
  if (stored !== undefined) expect(inFlightOf(stored.counters)).toBeGreaterThanOrEqual(0);
}

/** After everything is done: sums, and each claim, which its device had had before, as the verdicts say. */
async function assertSettled(store: EmbeddedStore, acknowledged: Acknowledged) {
  expect(acknowledged.published.size).toBe(chunkCount);
  const { counters, completedAtMs } = (await store.getBatch(tenant, batch.batchId)) ?? {};
  expect(counters).toMatchObject({ accepted: 36, issued: quota, rejected: 36 - quota });
  expect(completedAtMs).toBe(1);
  await store.createOrder({ ...order, orderId: 'probe', quota: 99 });
  const place = { orderId: 'probe' };
  for (const [n, verdict] of acknowledged.decided) {
    const chunk = chunkOf(n);
    const { deviceIds } = chunk.decision;
    const { codes } = await decideAlone(store, tenant, `probe ${String(n)}`, deviceIds, place);
    expect(codes).toEqual(
      codesOf(chunk, verdict).map((code) =>
        code === exceeded ? undefined : 'DEVICE_ALREADY_ISSUED',
      ),
    );
  }
}

describe('an I/O step of the store that goes wrong', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const failing = steps.flatMap((each) =>
    ['fails', 'persists'].map((mode) => [each.step, mode, each.at] as const),
  );
  test.each(failing)(
    '%s %s: a retry finishes the work, and nothing is lost or doubled',
    async (step, mode, at) => {
      const acknowledged: Acknowledged = { decided: new Map(), published: new Set() };
      const diskModule = faultyDisk(step, at, mode);
      const store = await openEmbeddedStore({ directory, clock, diskModule });
      const failures = await issueFleet(store, noteIn(acknowledged));
      expect(failures).toBeGreaterThan(0);
      await assertKept(store, acknowledged);
      await store.close();
      const reopened = await openEmbeddedStore({ directory, clock });
      await assertKept(reopened, acknowledged);
      await assertSettled(reopened, acknowledged);
      await reopened.close();
    },
  );

  const killed = steps.flatMap((each) =>
    ['killed-before', 'killed-after'].map((mode) => [each.step, mode, each.at] as const),
  );
  test.each(killed)(
    '%s %s: what was acknowledged is there, and a replay finishes the work',
    async (step, mode, at) => {
      const acknowledged: Acknowledged = { decided: new Map(), published: new Set() };
      const program = fileURLToPath(new URL('./issue-fleet-process.fixture.js', import.meta.url));
      const { signal, output } = await run(program, directory, faultyDisk(step, at, mode));
      expect(signal).toBe('SIGKILL');
      for (const line of output.split('\n').filter((text) => text !== '')) {
        const [what, chunk, verdict = ''] = line.split(' ');
        noteIn(acknowledged)(what === 'decided' ? 'decided' : 'published', Number(chunk), verdict);
      }
      const store = await openEmbeddedStore({ directory, clock });
      await assertKept(store, acknowledged);
      const { decided } = acknowledged;
      const before = new Map(decided);
      await issueFleet(store, noteIn(acknowledged));
      for (const [n, verdict] of before) expect(decided.get(n)).toBe(verdict);
      await assertSettled(store, acknowledged);
      await store.close();
    },
  );
});

describe('a segment file that cannot be made durable when it is left', () => {
  let directory = '';
  let store: EmbeddedStore;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
  });
  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  test('fails every call of the group, also those whose segments lie in it; a retry publishes both', async () => {
    const diskModule = faultyDisk('fdatasync', 1, 'fails');
    // The first segment fills a file: the second leaves it.
    store = await openEmbeddedStore({ directory, clock, segmentFileBytes: 1, diskModule });
    await store.createTenant(tenant, 1);
    await store.createOrder(order);
    await store.openBatch(batch);
    const chunks = [chunkOf(0), chunkOf(1)];
    for (const chunk of chunks) {
      await store.registerChunk(chunk.registration);
      await store.confirmChunk(chunk.ref);
      await store.decide(chunk.decision);
    }
    const publishAll = () =>
      Promise.allSettled(chunks.map((chunk) => store.publish(chunk.terminal())));
    const down: unknown = expect.objectContaining({ code: 'FAULT_STORE_DOWN' });
    expect(await publishAll()).toEqual([
      { status: 'rejected', reason: down },
      { status: 'rejected', reason: down },
    ]);
    for (const chunk of chunks) expect(await store.getSegment(chunk.ref)).toBeUndefined();
    expect(await publishAll()).toEqual([
      { status: 'fulfilled', value: 'published' },
      { status: 'fulfilled', value: 'published' },
    ]);
  });
});

function run(program: string, ...args: string[]) {
  return new Promise<{ readonly signal: string | undefined; readonly output: string }>(
    (resolve) => {
      execFile(process.execPath, [program, ...args], (error, stdout) => {
        resolve({ signal: error?.signal ?? undefined, output: stdout });
      });
    },
  );
}
