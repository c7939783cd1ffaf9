import {
  assertName,
  CertmillError,
  profileOfCanonical,
  type Order,
  type Profile,
  type TenantId,
} from '@certmill/domain';
import type { Clock, OrderStore, ProfileStore } from '@certmill/ports';

export interface NewOrder {
  readonly tenant: TenantId;
  readonly orderId: string;
  /** Name of a stored profile; its highest version is pinned. */
  readonly profileName: string;
  readonly issuer: string;
  readonly quota: number;
  readonly requiresAllowList: boolean;
  /** As `Order.renews`. */
  readonly renews?: boolean;
  /** As `Order.reissues`. */
  readonly reissues?: boolean;
  readonly expiresAtMs: number;
}

export interface OrderPorts {
  readonly orders: OrderStore & Pick<ProfileStore, 'findProfile'>;
  readonly clock: Clock;
  /**
   * Why sign will not use this issuer for this order and profile, to stand behind its name; undefined
   * where it will. Of another tenant's issuer it says no more than of none.
   */
  readonly orderRefusal: (
    issuer: string,
    order: { readonly tenant: TenantId; readonly orderId: string },
    profile: Profile,
  ) => string | undefined;
  /**
   * How many requests of a profile, with their largest certificates, may share a chunk. Absent: the store
   * keeps no such number, and chunks have `leastRequestsPerChunk`.
   */
  readonly requestsPerChunk?: (issuer: string, profile: Profile) => Promise<number>;
}

/** 2^40: what the counters and the bench have been tried with; a larger one is a slip of the keyboard. */
const maxQuota = 2 ** 40;

/** Opens an order. The same order again is success; another one under its id is a CONFLICT. */
export async function openOrder(ports: OrderPorts, wanted: NewOrder): Promise<Order> {
  const order = await orderToOpen(ports, wanted);
  if (await ports.orders.createOrder(order)) return order;
  const existing = await ports.orders.getOrder(wanted.tenant, wanted.orderId);
  if (existing !== undefined && isSameOrder(existing, order)) return existing;
  throw new CertmillError('CONFLICT', `another order '${wanted.orderId}' is stored`);
}

/** The order that `openOrder` would store, checked. Faults: INVALID_INPUT. */
export async function orderToOpen(ports: OrderPorts, wanted: NewOrder): Promise<Order> {
  assertName('order id', wanted.orderId);
  if (!Number.isSafeInteger(wanted.quota) || wanted.quota < 1 || wanted.quota > maxQuota) {
    throw new CertmillError('INVALID_INPUT', 'quota must be a whole number from 1 to 2^40');
  }
  const createdAtMs = ports.clock.nowMs();
  if (!Number.isSafeInteger(wanted.expiresAtMs) || wanted.expiresAtMs <= createdAtMs) {
    throw new CertmillError('INVALID_INPUT', 'the order must expire in the future');
  }
  const profile = await ports.orders.findProfile(wanted.tenant, wanted.profileName);
  if (profile === undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      `there is no profile '${wanted.profileName.slice(0, 80)}'`,
    );
  }
  const pinned = profileOfCanonical(profile.canonical);
  const refusal = ports.orderRefusal(wanted.issuer, wanted, pinned);
  if (refusal !== undefined) {
    throw new CertmillError('INVALID_INPUT', `issuer '${wanted.issuer.slice(0, 80)}' ${refusal}`);
  }
  const requestsPerChunk = await ports.requestsPerChunk?.(wanted.issuer, pinned);
  return {
    tenant: wanted.tenant,
    orderId: wanted.orderId,
    profileName: profile.name,
    profileHash: profile.hash,
    issuer: wanted.issuer,
    ...(requestsPerChunk === undefined ? {} : { requestsPerChunk }),
    quota: wanted.quota,
    requiresAllowList: wanted.requiresAllowList,
    ...(wanted.renews === true ? { renews: true } : {}),
    ...(wanted.reissues === true ? { reissues: true } : {}),
    createdAtMs,
    expiresAtMs: wanted.expiresAtMs,
  };
}

function isSameOrder(a: Order, b: Order): boolean {
  return a.profileHash === b.profileHash && isOrderWanted(a, b);
}

/** Whether an order is the one that is wanted, whichever version of its profile is pinned. */
export function isOrderWanted(order: Order, wanted: NewOrder): boolean {
  return (
    order.profileName === wanted.profileName &&
    order.issuer === wanted.issuer &&
    order.quota === wanted.quota &&
    order.requiresAllowList === wanted.requiresAllowList &&
    (order.renews === true) === (wanted.renews === true) &&
    (order.reissues === true) === (wanted.reissues === true) &&
    order.expiresAtMs === wanted.expiresAtMs
  );
}
