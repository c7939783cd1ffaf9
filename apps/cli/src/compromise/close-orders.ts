import type { CompromiseRun, Note, StepFacts } from '@certmill/trust/compromise';
import { ordersUnder } from './population.js';
import type { StepContext } from './step-context.js';

/**
 * Closes the orders under the old issuer that are open, and resolves with the ids of all that this step of the run has
 * closed, before a kill too: what is accepted under them and not decided yet is rejected from then on (ORDER_CLOSED).
 */
export async function closeOrders(
  { client }: Pick<StepContext, 'client'>,
  { plan, begun }: CompromiseRun,
  note: Note,
): Promise<readonly string[]> {
  const noted = closedIn(begun?.noted ?? {});
  const orders = await ordersUnder(client, plan.wish.issuer);
  const open = orders.filter(({ state }) => state === 'open').map(({ orderId }) => orderId);
  const closed = [...new Set([...noted, ...open])];
  // Once one is closed nobody can tell who has closed it.
  if (closed.length > noted.length) await note({ closed });
  for (const orderId of open) await client.closeOrder(orderId);
  return closed;
}

/** The orders that a step has closed, by its facts. */
export function closedIn({ closed }: StepFacts): readonly string[] {
  return typeof closed === 'object' ? closed : [];
}
