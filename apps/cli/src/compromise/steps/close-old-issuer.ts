import { closeIssuer } from '@certmill/trust';
import { ordersUnder } from '../population.js';
import type { Step } from '../step-context.js';

/** Nothing new comes in under the old issuer, of any tenant; open orders of this one are closed. */
export const closeOldIssuer: Step = async ({ client, data }, { plan }) => {
  const { issuer, successor } = plan.wish;
  await closeIssuer({
    directory: data,
    name: issuer,
    ...(successor === undefined ? {} : { successor: successor.name }),
    nowMs: Date.now(),
  });
  const orders = await ordersUnder(client, issuer);
  for (const { orderId, state } of orders) {
    if (state === 'open') await client.closeOrder(orderId);
  }
  return { orders: orders.length };
};
