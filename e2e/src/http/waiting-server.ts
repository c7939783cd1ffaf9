import type { IssuanceOverrides } from '@certmill/standalone';
import { patchedStore } from '../crash/patched-store.js';
import { anOrder, aServer, type TestServer, type TestSetup } from './test-server.js';

/** A server whose verdicts wait for the gate: what it takes is accepted and not decided. */
export async function aServerThatWaits(
  http: Record<string, unknown> = {},
  setup: TestSetup = {},
): Promise<TestServer & { readonly gate: PromiseWithResolvers<undefined> }> {
  const gate = Promise.withResolvers<undefined>();
  const overrides: IssuanceOverrides = {
    aroundStore: (store) =>
      patchedStore(store, {
        decide: (decision) => gate.promise.then(() => store.decide(decision)),
      }),
  };
  const server = await aServer(http, overrides, setup);
  await anOrder(server, 'o1');
  return { ...server, gate };
}
