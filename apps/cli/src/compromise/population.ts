import type { IssuanceClient } from '../client/issuance-client.js';
import type { BatchView, OrderView } from '../client/views.js';

/** What a tenant has under an issuer. */
export interface Population {
  readonly orders: readonly OrderView[];
  /** Issued certificates by profile, whatever became of them; profiles in order. */
  readonly profiles: ReadonlyMap<string, number>;
  readonly issued: number;
  readonly inFlight: number;
  /** Requests that no stage could take: they may still be issued where somebody retries them. */
  readonly deadLettered: number;
}

export async function ordersUnder(
  client: IssuanceClient,
  issuer: string,
): Promise<readonly OrderView[]> {
  return (await client.listOrders()).filter((order) => order.issuer === issuer);
}

export async function populationUnder(client: IssuanceClient, issuer: string): Promise<Population> {
  const orders = await ordersUnder(client, issuer);
  const batches: (readonly [OrderView, BatchView])[] = [];
  for (const order of orders) {
    for (const batch of await client.listBatches(order.orderId)) batches.push([order, batch]);
  }
  return populationOf(orders, batches);
}

export function populationOf(
  orders: readonly OrderView[],
  batches: readonly (readonly [Pick<OrderView, 'profile'>, Pick<BatchView, 'counters'>])[],
): Population {
  const profiles = new Map<string, number>();
  const sum = { issued: 0, inFlight: 0, deadLettered: 0 };
  for (const [{ profile }, { counters }] of batches) {
    sum.issued += counters.issued;
    sum.inFlight += counters.inFlight;
    sum.deadLettered += counters.deadLettered;
    if (counters.issued === 0) continue;
    profiles.set(profile, (profiles.get(profile) ?? 0) + counters.issued);
  }
  return { orders, profiles: new Map([...profiles].sort(byName)), ...sum };
}

function byName([one]: readonly [string, number], [other]: readonly [string, number]): number {
  return one < other ? -1 : 1;
}
