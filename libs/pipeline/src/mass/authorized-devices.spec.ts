import type { Order } from '@certmill/domain';
import { authorizationTest, type AuthorizationPorts } from './authorized-devices.js';
import type { StoredCertificate } from './stored-certificate.js';

function anOrder(orderId: string, given: Partial<Order> = {}): Order {
  return {
    tenant: 'acme',
    orderId,
    profileName: 'tls-client',
    profileHash: 'hash',
    issuer: 'second',
    quota: 5,
    requiresAllowList: false,
    createdAtMs: 1,
    expiresAtMs: 9_000,
    ...given,
  };
}

/** Only `listed` stands on the list of `spring`, and `new` on that of the order `move`. */
function portsOf(move: Order): AuthorizationPorts {
  const orders: Readonly<Record<string, Order>> = {
    spring: anOrder('spring', { requiresAllowList: true }),
    move,
  };
  const lists: Readonly<Record<string, string>> = { spring: 'listed', move: 'new' };
  return {
    orders: {
      getOrder: (_: string, orderId: string) => Promise.resolve(orders[orderId]),
      lookUp: (_: string, orderId: string, asked: readonly { readonly deviceId?: string }[]) =>
        Promise.resolve(
          asked.map(({ deviceId }) => (deviceId === lists[orderId] ? { deviceId } : undefined)),
        ),
    },
    batches: { getBatch: () => Promise.resolve({ orderId: 'spring' }) },
    profiles: { get: () => Promise.resolve(undefined) },
  } as unknown as AuthorizationPorts;
}

async function authorizedIn(move: Order): Promise<readonly string[]> {
  const devices = ['listed', 'new'];
  const certificates = devices.map((deviceId) => {
    return { deviceId, uploadedDeviceId: '', source: 'batch 0', udid: new Uint8Array(32) };
  });
  const isAuthorized = await authorizationTest(
    portsOf(move),
    'acme',
    'move',
    certificates as unknown as StoredCertificate[],
    true,
  );
  return devices.filter((_, i) => isAuthorized(i));
}

describe('authorizationTest', () => {
  it('asks of what was reissued the list of the order that it was issued under first', async () => {
    expect(await authorizedIn(anOrder('move', { renews: true, reissues: true }))).toEqual([
      'listed',
    ]);
  });

  it('asks its own list of an order that merely has the name of a reissue, whatever its requests say', async () => {
    const another = anOrder('move', { renews: true, requiresAllowList: true });
    expect(await authorizedIn(another)).toEqual(['new']);
  });
});
