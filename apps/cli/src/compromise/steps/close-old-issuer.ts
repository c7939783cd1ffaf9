import { closeIssuer } from '@certmill/trust';
import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { ordersUnder } from '../population.js';
import { lookUntil, type Step, type StepContext } from '../step-context.js';

/**
 * Nothing new comes in under the old issuer, of any tenant; open orders of this one are closed. What is done in
 * the folder counts when the server has seen it: in a fleet its folder is another one.
 */
export const closeOldIssuer: Step = async (context, { plan }) => {
  const { client, data } = context;
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
  await seenByServer(context, {
    issuer,
    // One that it does not know takes nothing.
    isSeen: (standing) => standing?.takesUploads !== true,
    missing: `give ca/${issuer}/retired.json of this folder to ingest: the server still takes uploads under '${issuer}'`,
  });
  if (successor !== undefined) {
    await seenByServer(context, {
      issuer: successor.name,
      isSeen: (standing) => standing?.takesOrders === true,
      missing:
        `give ingest and status the folder ca/${successor.name}, but not key.pem, where they have folders of their own, and name it ` +
        `in the section issuers of their configuration, where there is one: the server takes no orders for '${successor.name}'`,
    });
  }
  return { orders: orders.length };
};

interface Seeing {
  readonly issuer: string;
  readonly isSeen: (standing: Awaited<ReturnType<StepContext['client']['findIssuer']>>) => boolean;
  readonly missing: string;
}

/** A server looks into its folder once a second: what takes longer waits for people. */
const seenWithinSeconds = 20;

async function seenByServer(
  { client, terminal, circumstances }: StepContext,
  { issuer, isSeen, missing }: Seeing,
): Promise<void> {
  await lookUntil({
    look: () => client.findIssuer(issuer),
    isThere: isSeen,
    pauseMs: lookAgainMs,
    wait: (ms) => waitFor(terminal, ms, 'stopped while the server was waited for'),
    elapsedMs: () => performance.now(),
    timeoutSeconds: Math.min(circumstances.timeoutSeconds, seenWithinSeconds),
    missing: () => missing,
  });
}
