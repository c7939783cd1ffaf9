import { patchedStore } from '../crash/patched-store.js';
import { anOrder, aServer, type TestServer } from './test-server.js';

/** A server whose verdicts wait for the gate: what it takes is accepted and not decided. */
export async function aServerThatWaits(
  http: Record<string, unknown> = {},
): Promise<TestServer & { readonly gate: PromiseWithResolvers<undefined> }> {
  const gate = Promise.withResolvers<undefined>();
  const server = await aServer(http, {
    aroundStore: (store) =>
      patchedStore(store, {
        decide: (decision) => gate.promise.then(() => store.decide(decision)),
      }),
  });
  await anOrder(server, 'o1');
  return { ...server, gate };
}
