import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { inFlightOf, rejectionNumber } from '@certmill/domain';
import { decideAlone } from '@certmill/ports/conformance';
import { fillRevocations, type ChangedRow } from '../bench.js';
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

describe('a store that was opened anew after a COMMIT that failed', () => {
  const scope = { issuer: 'factory', shard: 0 };
  const other = { issuer: 'factory', shard: 1 };
  const statusSecret = new Uint8Array(32);
  const rows = [1, 2, 3].map((n): ChangedRow => {
    const serialNumber = new Uint8Array(20).fill(n);
    return [
      { scope, serialNumber, notAfterMs: 9 },
      { state: 'revoked', reason: 'superseded', atMs: 1 },
    ];
  });

  test('goes on with no listing that it cannot check, and knows what changes it has seen', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
    await (await openEmbeddedStore({ directory, clock, statusSecret })).close();
    fillRevocations(directory, statusSecret, rows.slice(0, 2), 1);
    const db = new DatabaseSync(join(directory, 'certmill.db'));
    db.exec('CREATE TABLE earlier AS SELECT * FROM crl_scopes');
    fillRevocations(directory, statusSecret, rows.slice(2), 1);
    const diskModule = faultyDisk('commit:notePresigned', 1, 'fails');
    const store = await openEmbeddedStore({ directory, clock, statusSecret, diskModule });
    const page = { limit: 2, listing: 'one' };
    const after = (await store.listRevoked(scope, page)).at(-1)?.serialNumber ?? new Uint8Array();
    expect(await store.countChanges(scope)).toBe(3);
    await expect(store.notePresigned(other, 0)).rejects.toMatchObject({ code: 'FAULT_STORE_DOWN' });
    const next = store.listRevoked(scope, { ...page, after });
    await expect(next).rejects.toMatchObject({ code: 'FAULT_OVERLOADED' });
    // There is no CRL in force that would tell, and nothing was read of it since.
    db.exec(`UPDATE crl_scopes SET (changes, sealed) = (SELECT changes, sealed FROM earlier);
      DELETE FROM revocations WHERE change = 3`);
    db.close();
    const again = store.countChanges(scope);
    await expect(again).rejects.toMatchObject({ code: 'FAULT_STATUS_FORGED' });
    await store.close();
    await rm(directory, { recursive: true });
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
