import { CertmillError, type Batch } from '@certmill/domain';
import { TenantWindows } from './tenant-window.js';

function aBatch(tenant: string, batchId: string, inFlight = 0): Batch {
  return {
    tenant,
    batchId,
    orderId: 'order',
    lane: 'bulk',
    idempotencyKey: batchId,
    createdAtMs: 0,
    nextIndex: 0,
    counters: { accepted: inFlight, issued: 0, rejected: 0, cancelled: 0, deadLettered: 0 },
  };
}

/** Times that the store was asked. */
let looks = 0;

/** A store whose batches have as much in flight as the test says. */
function storeOf(inFlight: Map<string, number>) {
  return {
    getBatch: (tenant: string, batchId: string) => {
      looks += 1;
      return Promise.resolve(aBatch(tenant, batchId, inFlight.get(batchId)));
    },
  };
}

async function isSettled(work: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  const turn = new Promise((resolve) => setTimeout(() => resolve(open), 30));
  return (await Promise.race([work, turn])) !== open;
}

describe('what one tenant has on its way', () => {
  let inFlight: Map<string, number>;
  let windows: TenantWindows;
  beforeEach(() => {
    looks = 0;
    inFlight = new Map();
    windows = new TenantWindows({ maxRequests: 1_000, batches: storeOf(inFlight), pollMs: 1 });
  });

  it('is bounded: an upload waits until requests of it have ended', async () => {
    using window = windows.open(aBatch('acme', 'a'));
    for (let i = 0; i < 4; i += 1) {
      await window.enter(250);
      inFlight.set('a', (i + 1) * 250);
    }
    const fifth = window.enter(250);
    expect(await isSettled(fifth)).toBe(false);
    inFlight.set('a', 751);
    expect(await isSettled(fifth)).toBe(false);
    inFlight.set('a', 750);
    await fifth;
  });

  it('is bounded over all uploads of the tenant, and leaves other tenants alone', async () => {
    using first = windows.open(aBatch('acme', 'a'));
    using second = windows.open(aBatch('acme', 'b'));
    using other = windows.open(aBatch('other', 'c'));
    await first.enter(900);
    inFlight.set('a', 900);
    const waiting = second.enter(200);
    expect(await isSettled(waiting)).toBe(false);
    await other.enter(1_000);
    inFlight.set('a', 0);
    await waiting;
  });

  it('counts what is in flight of a batch that is resumed', async () => {
    inFlight.set('a', 900);
    using window = windows.open(aBatch('acme', 'a', 900));
    const waiting = window.enter(200);
    expect(await isSettled(waiting)).toBe(false);
    inFlight.set('a', 800);
    await waiting;
  });

  it('is free again when an upload ends, however much of it is on its way', async () => {
    const first = windows.open(aBatch('acme', 'a'));
    await first.enter(1_000);
    inFlight.set('a', 1_000);
    first[Symbol.dispose]();
    using second = windows.open(aBatch('acme', 'b'));
    await second.enter(1_000);
  });

  it('lets a chunk through that is larger than the window, alone', async () => {
    using window = windows.open(aBatch('acme', 'a'));
    await window.enter(5_000);
    inFlight.set('a', 5_000);
    const waiting = window.enter(5_000);
    expect(await isSettled(waiting)).toBe(false);
    inFlight.set('a', 0);
    await waiting;
  });

  it('counts a batch once that is uploaded twice at the same time', async () => {
    inFlight.set('a', 600);
    using first = windows.open(aBatch('acme', 'a', 600));
    using second = windows.open(aBatch('acme', 'a', 600));
    await second.enter(400);
    expect(looks).toBe(0);
    inFlight.set('a', 1_000);
    const waiting = first.enter(1);
    expect(await isSettled(waiting)).toBe(false);
    inFlight.set('a', 0);
    await waiting;
  });

  it('is looked at once for all that wait', async () => {
    inFlight.set('a', 1_000);
    using first = windows.open(aBatch('acme', 'a', 1_000));
    using second = windows.open(aBatch('acme', 'b'));
    const waiting = [first, second, first, second].map((window) => window.enter(250));
    await isSettled(Promise.all(waiting));
    const before = looks;
    inFlight.set('a', 0);
    await Promise.all(waiting);
    // Two batches in each look; the last one may have been under way.
    expect(looks - before).toBeLessThanOrEqual(4);
  });

  it('ends the waiting with the reason of the signal, such as a client that has gone', async () => {
    using window = windows.open(aBatch('acme', 'a'));
    await window.enter(1_000);
    inFlight.set('a', 1_000);
    const gone = new AbortController();
    const waiting = window.enter(1, gone.signal);
    gone.abort(new CertmillError('INVALID_INPUT', 'the client has gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(window.enter(1, gone.signal)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('ends the waiting when the server stops', async () => {
    using window = windows.open(aBatch('acme', 'a'));
    await window.enter(1_000);
    inFlight.set('a', 1_000);
    const stopping = new AbortController();
    const waiting = window.enter(1, stopping.signal);
    stopping.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
  });
});
