import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  describeCrls,
  describeJobQueue,
  describeMassOperations,
  describeRevocations,
  describeStores,
} from '@certmill/ports/conformance';
import { openEmbeddedStore } from './embedded-store.js';

async function openStore() {
  const directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
  const store = await openEmbeddedStore({
    directory,
    clock: { nowMs: () => Date.now() },
    firstJobRetryMs: 20,
    statusSecret: new Uint8Array(32),
  });
  return {
    stores: store,
    jobs: store,
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

describeStores('the embedded store', openStore);
describeRevocations('revocations and audit of the embedded store', openStore);
describeJobQueue('the job queue of the embedded store', openStore);
describeCrls('CRLs of the embedded store', openStore);
describeMassOperations('mass operations of the embedded store', openStore);
