import {
  livesLongEnough,
  type Batch,
  type ChunkRef,
  type Order,
  type Profile,
} from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { aCa } from '../testing/a-ca.js';
import { certificatesToRenew, type ToRenewPorts } from './certificates-to-renew.js';
import { devicesToRenew } from './devices-to-renew.js';
import { countToRenew, type CountPorts } from './count-to-renew.js';

const dayMs = 86_400_000;
const yearMs = 365 * dayMs;
const issuerSinceMs = Date.UTC(2026, 0, 1);
const nowMs = issuerSinceMs + 2 * yearMs;
const tlsClient = builtInProfiles().get('tls-client')!;
const year: Profile = {
  ...tlsClient,
  validity: { backdateSeconds: 0, notAfter: { seconds: yearMs / 1_000 } },
};
const endless: Profile = {
  ...tlsClient,
  validity: { backdateSeconds: 0, notAfter: { at: '9999-12-31T23:59:59Z' } },
};

function anOrder(orderId: string, given: Partial<Order> = {}): Order {
  return {
    tenant: 'acme',
    orderId,
    profileName: 'tls-client',
    profileHash: 'year',
    issuer: 'factory',
    quota: 1_000,
    requiresAllowList: false,
    createdAtMs: issuerSinceMs + 30 * dayMs,
    expiresAtMs: nowMs + yearMs,
    ...given,
  };
}

function aBatch(batchId: string, createdAtMs: number, given: Partial<Batch> = {}): Batch {
  return {
    tenant: 'acme',
    batchId,
    orderId: 'o',
    lane: 'bulk',
    idempotencyKey: 'k',
    createdAtMs,
    completedAtMs: createdAtMs,
    nextIndex: 1,
    counters: { accepted: 1, issued: 1, rejected: 0, cancelled: 0, deadLettered: 0 },
    ...given,
  };
}

describe('the look for certificates that devices are to renew', () => {
  let factory: Uint8Array;
  beforeAll(async () => {
    factory = await aCa('factory', new Date('2046-01-01T00:00:00Z'), new Date(issuerSinceMs));
  });

  /** An installation of one order that notes what is read of it. */
  function anInstallation(
    order: Order,
    batches: readonly Batch[],
    { revoked = false, formerEndsMs = [] as readonly (number | undefined)[] } = {},
  ) {
    const listed: string[] = [];
    const looked: string[] = [];
    const ports = {
      tenants: { listTenants: () => Promise.resolve({ items: ['acme'] }) },
      orders: { listOrders: () => Promise.resolve({ items: [order] }) },
      batches: {
        listBatches: (_: string, orderId: string) => {
          listed.push(orderId);
          return Promise.resolve({ items: batches });
        },
        getRegistration: () => Promise.resolve(undefined),
      },
      certificates: {
        getSegment: ({ batchId }: ChunkRef) => {
          looked.push(batchId);
          return Promise.resolve(undefined);
        },
      },
      profiles: { get: (_: string, hash: string) => Promise.resolve({ year, endless }[hash]) },
      chainOf: (issuer: string) => (issuer === 'factory' ? [factory] : undefined),
      revocationOf: () => (revoked ? { serialNumberHex: '01', reason: 'superseded' } : undefined),
      crlShardsOf: () => 0,
      formerEndsOf: () => formerEndsMs,
      clock: { nowMs: () => nowMs },
    } as unknown as ToRenewPorts & CountPorts;
    return { ports, listed, looked };
  }

  async function lookedAt(...given: Parameters<typeof anInstallation>) {
    const { ports, listed, looked } = anInstallation(...given);
    const untilMs = nowMs + 30 * dayMs;
    const turn = () => Promise.resolve(true);
    for await (const found of certificatesToRenew(ports, 'acme', {
      ...{ nowMs, turn },
      untilMsOf: () => untilMs,
    })) {
      expect(found.endsMs).toEqual([]);
    }
    return { listed, looked };
  }

  it('reads of batches that may end in that time alone, by when they were received', async () => {
    const start = nowMs - yearMs;
    const none = { accepted: 1, issued: 0, rejected: 1, cancelled: 0, deadLettered: 0 };
    const { looked } = await lookedAt(anOrder('o'), [
      aBatch('ended', start - 40 * dayMs),
      aBatch('ends-soon', start + 10 * dayMs),
      aBatch('lasted-for-months', start - 40 * dayMs, { completedAtMs: start + 5 * dayMs }),
      aBatch('rejected', start + 10 * dayMs, { counters: none }),
      aBatch('ends-later', start + 40 * dayMs),
    ]);
    expect(looked).toEqual(['ends-soon', 'lasted-for-months']);
  });

  it('reads of batches that a former certificate of the issuer, which ends in that time, may have cut short', async () => {
    const order = anOrder('o', { createdAtMs: nowMs - 200 * dayMs });
    const batches = [aBatch('before', nowMs - 190 * dayMs)];
    const over = await lookedAt(order, batches, { formerEndsMs: [nowMs - 1, nowMs + 31 * dayMs] });
    expect(over).toEqual({ listed: [], looked: [] });
    // One whose end nobody knows may be such.
    for (const endMs of [nowMs + 29 * dayMs, undefined]) {
      const { looked } = await lookedAt(order, batches, { formerEndsMs: [endMs] });
      expect(looked).toEqual(['before']);
    }
  });

  it('passes over orders under which nothing can end in that time, and CAs that are revoked or gone', async () => {
    const batches = [aBatch('b', nowMs - yearMs + 10 * dayMs)];
    const none = { listed: [], looked: [] };
    const late = { createdAtMs: nowMs - 200 * dayMs };
    const over = { expiresAtMs: nowMs - yearMs - 20 * dayMs };
    const shut = { closedAtMs: nowMs - yearMs - 20 * dayMs };
    for (const given of [late, over, shut, { issuer: 'gone' }, { profileHash: 'gone' }]) {
      expect(await lookedAt(anOrder('o', given), batches)).toEqual(none);
    }
    expect(await lookedAt(anOrder('o'), batches, { revoked: true })).toEqual(none);
    expect(await lookedAt(anOrder('o'), batches)).toEqual({ listed: ['o'], looked: ['b'] });
  });

  it('leaves out certificates that live for less than twice the time', () => {
    expect(livesLongEnough(60 * dayMs, 30)).toBe(true);
    expect(livesLongEnough(60 * dayMs - 1, 30)).toBe(false);
    expect(livesLongEnough(undefined, 3_000)).toBe(true);
  });

  it('says so where it takes too long, and is given up where nobody waits for it', async () => {
    const ending = aBatch('b', nowMs - yearMs + 10 * dayMs);
    const { ports, looked } = anInstallation(anOrder('o'), [ending, { ...ending, batchId: 'c' }]);
    const whole = { rows: [], isWhole: true };
    expect(await devicesToRenew(ports, 'acme', 30)).toEqual(whole);
    expect(looked).toEqual(['b', 'c']);
    expect(await devicesToRenew(ports, 'acme', 30, undefined, -1)).toEqual({
      ...whole,
      isWhole: false,
    });
    expect(looked).toEqual(['b', 'c']);
    const gone = devicesToRenew(ports, 'acme', 30, AbortSignal.abort(new RangeError('gone')));
    await expect(gone).rejects.toThrow(RangeError);
  });

  it('ends when its process stops', async () => {
    const { ports } = anInstallation(anOrder('o'), [aBatch('b', nowMs - yearMs + 10 * dayMs)]);
    const stopped = countToRenew(ports, AbortSignal.abort());
    await expect(stopped).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    const { byIssuer, countedAtMs } = await countToRenew(ports, new AbortController().signal);
    expect([byIssuer.size, countedAtMs]).toEqual([0, nowMs]);
  });
});
