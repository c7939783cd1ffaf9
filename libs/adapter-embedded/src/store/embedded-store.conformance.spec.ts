import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStores } from '@certmill/ports/conformance';
import { openEmbeddedStore } from './embedded-store.js';

describeStores('the embedded store', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
  const stores = await openEmbeddedStore({
    directory,
    clock: { nowMs: () => Date.now() },
    firstJobRetryMs: 20,
  });
  return {
    stores,
    close: async () => {
      await stores.close();
      await rm(directory, { recursive: true });
    },
  };
});
