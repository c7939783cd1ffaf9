import type { Clock } from '@certmill/ports';
import { collectionsOf, type Collections } from '../collections.js';
import { openMongoConnection, type MongoConnectionOptions } from '../connection/open-client.js';
import { beginRestore, endChange } from './change-store.js';

/** As `beginRestore`. Resolves to what ends the restore; until then no service opens the store. */
export function beginStoreRestore(
  options: MongoConnectionOptions & { readonly clock: Clock },
): Promise<{ end(): Promise<void> }> {
  return connected(options, async (collections) => {
    const source = await beginRestore(collections, options.clock.nowMs());
    return {
      end: () =>
        connected(options, async (again) => {
          await endChange(again, source, options.clock.nowMs());
        }),
    };
  });
}

async function connected<T>(
  options: MongoConnectionOptions,
  action: (collections: Collections) => Promise<T>,
): Promise<T> {
  const { db, calls, close } = await openMongoConnection(options);
  try {
    return await action(collectionsOf(db, calls));
  } finally {
    await close();
  }
}
