import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { CertmillError } from '@certmill/domain';
import { collectionNames } from '../collections.js';
import { storeFormat } from '../meta.js';
import { aFleet, mongoUri } from './a-mongo-store.js';
import { fillGoldenStore, goldenFilesOf, goldenFolder } from './golden-store.js';
import { nowMs } from './issue-an-order.js';

/** Writes the golden store of this release's format, once: what is there is never written over. */
const folder = join(goldenFolder, String(storeFormat));
if (existsSync(folder)) {
  throw new CertmillError('CONFLICT', `${folder} is there: fixtures are added, never edited`);
}
const fleet = await aFleet();
const client = new MongoClient(mongoUri());
try {
  const store = await fleet.open({
    clock: { nowMs: () => nowMs },
    journalLimits: { flushEntries: 1, snapshotEntries: 1 },
  });
  await fillGoldenStore(store);
  await store.snapshotJournal();
  const names = Object.values(collectionNames);
  const files = await goldenFilesOf(client.db(fleet.database), names, store);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
} finally {
  await client.close();
  await fleet.close();
}
