import { canonicalProfile, profileHash, type Order } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { openOrder, type NewOrder, type OrderPorts } from './open-order.js';

const profile = builtInProfiles().get('tls-client');
if (profile === undefined) throw new TypeError('there is no such profile');

const wanted: NewOrder = {
  tenant: 'acme',
  orderId: 'spring',
  profileName: profile.name,
  issuer: 'factory',
  quota: 10,
  requiresAllowList: false,
  expiresAtMs: 1_000,
};

/** Orders in memory, and what they were opened with. */
function ports(requestsPerChunk?: number): OrderPorts & { readonly stored: Map<string, Order> } {
  const stored = new Map<string, Order>();
  const { name, version } = profile!;
  const canonical = canonicalProfile(profile!);
  const found = { tenant: 'acme', name, version, hash: profileHash(profile!), canonical };
  const orders: Partial<OrderPorts['orders']> = {
    findProfile: () => Promise.resolve({ ...found, addedAtMs: 0 }),
    createOrder(order) {
      if (stored.has(order.orderId)) return Promise.resolve(false);
      stored.set(order.orderId, order);
      return Promise.resolve(true);
    },
    getOrder: (_tenant, orderId) => Promise.resolve(stored.get(orderId)),
  };
  return {
    orders: orders as OrderPorts['orders'],
    clock: { nowMs: () => 1 },
    orderRefusal: () => undefined,
    ...(requestsPerChunk === undefined
      ? {}
      : { requestsPerChunk: () => Promise.resolve(requestsPerChunk) }),
    stored,
  };
}

describe('an order', () => {
  it('has pinned how many requests share a chunk, whatever is configured later', async () => {
    const first = ports(1_024);
    expect((await openOrder(first, wanted)).requestsPerChunk).toBe(1_024);
    const later = { ...ports(256), orders: first.orders };
    expect((await openOrder(later, wanted)).requestsPerChunk).toBe(1_024);
    expect(first.stored.get('spring')?.requestsPerChunk).toBe(1_024);
  });

  it('has no such number where the store keeps none', async () => {
    expect(await openOrder(ports(), wanted)).not.toHaveProperty('requestsPerChunk');
  });
});
