import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { holdsStore, openEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError, type TenantId } from '@certmill/domain';
import { planPresigning, type ChangeCertificatesPorts } from '@certmill/pipeline';
import { findIssuers, findSerialKeys } from '@certmill/trust';
import { takeDataFolder } from './data-folder.js';
import { presignedFileOf } from './presigned-file.js';

/** A data folder at rest in which certificates are revoked; held until disposed. */
export interface FolderToRevoke extends AsyncDisposable {
  readonly store: EmbeddedStore;
  readonly ports: ChangeCertificatesPorts;
  /** All of the folder. */
  tenants(): Promise<readonly TenantId[]>;
}

/**
 * Opens the store without its pipeline. NOT_FOUND where there is none, DATA_FOLDER_IN_USE; CONFLICT where
 * it is a backup or was carried into a fleet.
 */
export async function openFolderToRevoke(directory: string): Promise<FolderToRevoke> {
  if (!holdsStore(join(directory, 'store'))) {
    throw new CertmillError('NOT_FOUND', `${directory} is no data folder: it has no store`);
  }
  const folder = takeDataFolder(directory);
  try {
    const clock = { nowMs: () => Date.now() };
    const issuers = new Map((await findIssuers(directory)).map((issuer) => [issuer.name, issuer]));
    const serialKeys = (await findSerialKeys(directory))?.all ?? [];
    const store = await openEmbeddedStore({
      directory: folder.store,
      clock,
      statusSecret: folder.secret,
    });
    const isPresigned = existsSync(presignedFileOf(directory));
    return {
      store,
      ports: {
        orders: store,
        batches: store,
        certificates: store,
        revocations: store,
        audit: store,
        clock,
        serialKeys: new Map(serialKeys.map((key) => [key.id, key])),
        crlShardsOf(name) {
          const issuer = issuers.get(name);
          return issuer && (issuer.status?.crlShards ?? 0);
        },
        // For the server's next start.
        async onChanged(chunks) {
          if (!isPresigned) return;
          for (const chunk of chunks) await planPresigning(store, chunk, clock.nowMs());
        },
      },
      tenants: () => tenantsOf(store),
      async [Symbol.asyncDispose]() {
        await store.close();
        folder.release();
      },
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}

async function tenantsOf(store: EmbeddedStore): Promise<readonly TenantId[]> {
  const tenants: TenantId[] = [];
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const page = await store.listTenants({ limit: 1_000, ...from });
    tenants.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return tenants;
}
