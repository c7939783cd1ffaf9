import { X509Certificate } from 'node:crypto';
import type { Batch, Order, Profile } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { aCa } from '../testing/a-ca.js';
import { expiryCalendar, type ExpiryPorts } from './expiry-calendar.js';

const january = Date.UTC(2026, 0, 15);
const always = { nowMs: january, untilMs: Number.MAX_SAFE_INTEGER };

const yearOf = (profile: Profile): Profile => ({
  ...profile,
  validity: { backdateSeconds: 0, notAfter: { seconds: 365 * 86_400 } },
});
const tlsClient = yearOf(builtInProfiles().get('tls-client')!);
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
    createdAtMs: january,
    expiresAtMs: january * 2,
    ...given,
  };
}

function aBatch(createdAtMs: number, issued: number): Batch {
  return {
    tenant: 'acme',
    batchId: 'ab'.repeat(13),
    orderId: 'o',
    lane: 'bulk',
    idempotencyKey: 'k',
    createdAtMs,
    nextIndex: issued,
    counters: { accepted: issued, issued, rejected: 0, cancelled: 0, deadLettered: 0 },
  };
}

describe('expiryCalendar', () => {
  let chains: Readonly<Record<string, readonly Uint8Array[]>>;
  beforeAll(async () => {
    const root = await aCa('root', new Date('9999-12-31T23:59:59Z'));
    chains = {
      factory: [await aCa('factory', new Date('2046-01-01T00:00:00Z')), root],
      short: [await aCa('short', new Date('2026-06-30T00:00:00Z')), root],
      renewed: [
        await aCa('renewed', new Date('2046-01-01T00:00:00Z'), new Date('2026-10-01T00:00:00Z')),
        root,
      ],
    };
  });

  /** Lists come in pages of one, as large ones do. */
  function ports(
    orders: Readonly<Record<string, readonly [Order, readonly Batch[]]>>,
  ): ExpiryPorts {
    const page = <T>(items: readonly T[], cursor: string | undefined) => {
      const at = Number(cursor ?? 0);
      const next = at + 1 < items.length ? { next: String(at + 1) } : {};
      return Promise.resolve({ items: items.slice(at, at + 1), ...next });
    };
    return {
      orders: {
        listOrders: (_, { cursor }) =>
          page(
            Object.values(orders).map(([order]) => order),
            cursor,
          ),
      },
      batches: {
        listBatches: (_, orderId, { cursor }) => page(orders[orderId]?.[1] ?? [], cursor),
      },
      profiles: {
        get: (_, hash) => Promise.resolve({ year: tlsClient, endless }[hash]),
      },
      chainOf: (issuer) => chains[issuer],
      revocationOf: () => undefined,
    };
  }

  it('marks CAs that are revoked, those below them, and the certificates of their devices', async () => {
    const { serialNumber } = new X509Certificate(chains['factory']![0]!);
    const revoked = { serialNumberHex: serialNumber.toLowerCase(), reason: 'cACompromise' };
    const { authorities, devices } = await expiryCalendar(
      {
        ...ports({
          o: [anOrder('o'), [aBatch(january, 5)]],
          p: [anOrder('p', { issuer: 'short' }), [aBatch(january, 3)]],
        }),
        revocationOf: (issuer) => (issuer === 'factory' ? revoked : undefined),
      },
      'acme',
      always,
    );
    expect(authorities.map(({ subject, revoked: why }) => [subject, why])).toEqual([
      ['CN=short', undefined],
      ['CN=factory', 'cACompromise'],
      ['CN=root', undefined],
    ]);
    expect(devices).toMatchObject([
      { issuer: 'short', certificates: 3 },
      { issuer: 'factory', certificates: 5, revoked: 'cACompromise' },
    ]);
    expect(devices[0]).not.toHaveProperty('revoked');
  });

  it('counts certificates by the month in which they end, over all batches and orders', async () => {
    const { devices } = await expiryCalendar(
      ports({
        o: [anOrder('o'), [aBatch(january, 5), aBatch(january + 86_400_000, 7), aBatch(1, 0)]],
        p: [anOrder('p'), [aBatch(Date.UTC(2025, 4, 2), 2)]],
      }),
      'acme',
      always,
    );
    expect(devices).toEqual([
      { month: '2026-05', profile: 'tls-client', issuer: 'factory', certificates: 2 },
      { month: '2027-01', profile: 'tls-client', issuer: 'factory', certificates: 12 },
    ]);
  });

  it('counts to the end of the issuer where that is earlier than the profile wants', async () => {
    const order = anOrder('o', { issuer: 'short', profileHash: 'endless' });
    const calendar = await expiryCalendar(
      ports({ o: [order, [aBatch(january, 4)]] }),
      'acme',
      always,
    );
    expect(calendar.devices).toMatchObject([{ month: '2026-06', certificates: 4 }]);
  });

  it('counts from when a batch came, although its issuer was renewed since', async () => {
    const { devices } = await expiryCalendar(
      ports({ o: [anOrder('o', { issuer: 'renewed' }), [aBatch(january, 4)]] }),
      'acme',
      always,
    );
    expect(devices).toMatchObject([{ month: '2027-01', certificates: 4 }]);
  });

  it('names each CA once, with the issuers that stand on it, the next to end first', async () => {
    const both = ports({
      o: [anOrder('o'), []],
      p: [anOrder('p'), []],
      q: [anOrder('q', { issuer: 'short', profileHash: 'gone' }), []],
    });
    const { authorities } = await expiryCalendar(both, 'acme', always);
    expect(authorities.map(({ subject, issuers }) => [subject, issuers])).toEqual([
      ['CN=short', ['short']],
      ['CN=factory', ['factory']],
      ['CN=root', ['factory', 'short']],
    ]);
    const soon = await expiryCalendar(both, 'acme', {
      nowMs: january,
      untilMs: Date.UTC(2027, 0, 1),
    });
    expect(soon.authorities.map(({ subject }) => subject)).toEqual(['CN=short']);
  });

  it('tells the orders that renew while they are open, of any issuer, with who is left', async () => {
    const at = (days: number): Pick<Order, 'expiresAtMs'> => ({
      expiresAtMs: january + days * 86_400_000,
    });
    const renews = true;
    const renewing = ports({
      late: [anOrder('late', { renews, ...at(90) }), [aBatch(january, 1)]],
      soon: [
        anOrder('soon', { renews, requiresAllowList: true, allowListDevices: 20, ...at(30) }),
        [aBatch(january, 5), aBatch(january, 7)],
      ],
      gone: [anOrder('gone', { renews, issuer: 'gone', ...at(40) }), [aBatch(january, 2)]],
      over: [anOrder('over', { renews, ...at(0) }), []],
      shut: [anOrder('shut', { renews, closedAtMs: january, ...at(30) }), []],
      first: [anOrder('first', at(30)), []],
    });
    const { renewals } = await expiryCalendar(renewing, 'acme', always);
    const told = renewals.map(({ orderId, devices, issued }) => [orderId, devices, issued]);
    expect(told).toEqual([
      ['soon', 20, 12],
      ['gone', undefined, 2],
      ['late', undefined, 1],
    ]);
    const untilMs = january + 31 * 86_400_000;
    const near = await expiryCalendar(renewing, 'acme', { nowMs: january, untilMs });
    expect(near.renewals.map(({ orderId }) => orderId)).toEqual(['soon']);
  });

  it('is given up when nobody waits for it any more', async () => {
    const gone = new AbortController();
    const one = ports({ o: [anOrder('o'), [aBatch(january, 3), aBatch(january, 4)]] });
    const batches: ExpiryPorts['batches'] = {
      listBatches(...args) {
        gone.abort(new RangeError('gone'));
        return one.batches.listBatches(...args);
      },
    };
    const asked = expiryCalendar({ ...one, batches }, 'acme', always, gone.signal);
    await expect(asked).rejects.toThrow(RangeError);
  });

  it('leaves out what does not expire, and orders of issuers and profiles that are gone', async () => {
    const calendar = await expiryCalendar(
      ports({
        o: [anOrder('o', { profileHash: 'gone' }), [aBatch(january, 3)]],
        p: [anOrder('p', { issuer: 'gone' }), [aBatch(january, 3)]],
      }),
      'acme',
      always,
    );
    expect(calendar.devices).toEqual([]);
  });
});
