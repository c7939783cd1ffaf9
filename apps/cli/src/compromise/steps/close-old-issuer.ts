import { isCertmillError } from '@certmill/domain';
import { authorityIn, closeIssuer, refusalOf } from '@certmill/trust';
import type { CompromiseWish } from '@certmill/trust/compromise';
import { ServerError } from '../../client/server-error.js';
import { lookAgainMs, waitFor } from '../../client/watch-operation.js';
import { untilAgreed } from '../agreement.js';
import { closeOrders } from '../close-orders.js';
import { ordersUnder } from '../population.js';
import type { NotingStep, StepContext } from '../step-context.js';

/**
 * Nothing new comes in under the old issuer, of any tenant. Where the CA is revoked next, open orders of this tenant are
 * closed at the end, also where not all servers have heard in time: what is not decided yet gets its verdict then, for
 * nothing more is signed. Else they stay open until what was accepted has its certificates. What is done in the folder
 * counts when the servers have seen it: in a fleet their folders are others, and several ingests may answer at one
 * address.
 */
export const closeOldIssuer: NotingStep = async (context, run, note) => {
  const { wish } = run.plan;
  const { client, data } = context;
  const { issuer, successor } = wish;
  await closeIssuer({
    directory: data,
    name: issuer,
    ...(successor === undefined ? {} : { successor: successor.name }),
    nowMs: Date.now(),
  });
  try {
    await heardBy(context, wish);
  } catch (error) {
    // A server that has not heard goes on taking uploads: closed orders see to it that nothing of them is issued.
    if (wish.isCaFirst && isWaiting(error)) await closeOrders(context, run, note);
    throw error;
  }
  // Not before: in the seconds until all servers agree much of what is on its way is issued.
  const closed = wish.isCaFirst ? await closeOrders(context, run, note) : [];
  const { length: orders } = await ordersUnder(client, issuer);
  return { orders, ...(closed.length === 0 ? {} : { closed }) };
};

/** STEP_WAITS where servers still take uploads under the old issuer, or no orders for its successor. */
async function heardBy(context: StepContext, { issuer, successor }: CompromiseWish): Promise<void> {
  await seenByServer(context, {
    issuer,
    isSeen: await isClosed(context, issuer),
    missing: (standing) =>
      standing === undefined
        ? notShown(context, issuer)
        : `give ca/${issuer}/retired.json of this folder to each ingest: the server still takes uploads under '${issuer}'`,
  });
  if (successor === undefined) return;
  await seenByServer(context, {
    issuer: successor.name,
    isSeen: (standing) => standing?.takesOrders === true,
    missing: () =>
      `give each ingest and status the folder ca/${successor.name}, but not key.pem, where they have folders of their own, and name it ` +
      `and the tenant of the API key in the section issuers of their configuration, where there is one: ` +
      `the server takes no orders for '${successor.name}'`,
  });
}

function isWaiting(error: unknown): boolean {
  return isCertmillError(error) && error.code === 'STEP_WAITS';
}

type Standing = Awaited<ReturnType<StepContext['client']['findIssuer']>>;

/**
 * What counts as closed. That an ingest does not show the issuer does not: it shows none to a tenant that it
 * does not serve, and then may still take uploads of others. Under a CA that is revoked or has expired in the
 * folder of sign nothing is signed, whatever is taken.
 */
async function isClosed(
  { data }: StepContext,
  issuer: string,
): Promise<(standing: Standing) => boolean> {
  const hasEnded = refusalOf(await authorityIn(data, issuer), Date.now()) !== undefined;
  return (standing) => (standing === undefined ? hasEnded : !standing.takesUploads);
}

/** Why an ingest does not show an issuer: what CAs there are is public, whom they serve is not. */
async function notShown({ client }: StepContext, issuer: string): Promise<string> {
  return (await isPublished(client, issuer))
    ? `the server has the CA '${issuer}', but '${issuer}' does not serve the tenant of the API key, so what it takes of others ` +
        'is not known: use the API key of a tenant that it serves, or name this tenant in its entry of the section issuers ' +
        'again, which is safe once it is closed'
    : `the server has no CA '${issuer}', so nobody is told the status of what it issued: give each ingest and status the ` +
        `folder ca/${issuer} of this folder, but not key.pem, and retired.json with it`;
}

async function isPublished(client: StepContext['client'], ca: string): Promise<boolean> {
  try {
    await client.caCertificate(ca);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.status === 404) return false;
    throw error;
  }
}

interface Seeing {
  readonly issuer: string;
  readonly isSeen: (standing: Standing) => boolean;
  readonly missing: (standing: Standing) => Promise<string> | string;
}

/** A server looks into its folder once a second: what takes longer waits for people. */
const seenWithinSeconds = 20;

async function seenByServer(
  { client, terminal, circumstances }: StepContext,
  { issuer, isSeen, missing }: Seeing,
): Promise<void> {
  await untilAgreed({
    ask: () => client.findIssuer(issuer),
    isSo: isSeen,
    pauseMs: lookAgainMs,
    wait: (ms) => waitFor(terminal, ms, 'stopped while the server was waited for'),
    elapsedMs: () => performance.now(),
    timeoutSeconds: Math.min(circumstances.timeoutSeconds, seenWithinSeconds),
    missing,
  });
}
