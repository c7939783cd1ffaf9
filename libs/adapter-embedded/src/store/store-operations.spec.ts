import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AllowListRow } from '@certmill/ports';
import { buildAllowList } from '@certmill/packed';
import { order, tenant } from './issue-fleet.fixture.js';
import { MaintenanceGate } from './maintenance-gate.js';
import { closeCore, openCore, type StoreCore } from './open-core.js';
import { packQueries, unpackRows } from './packed-calls.js';
import { nodeStoreDisk } from './store-disk.js';
import { allowListFile } from './store-files.js';
import { storeOperations } from './store-operations.js';

describe('a look-up', () => {
  let directory = '';
  let core: StoreCore;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'certmill-store-'));
    const disk = nodeStoreDisk;
    const segmentFileBytes = 1 << 20;
    core = await openCore({
      directory,
      disk,
      segmentFileBytes,
      openedAtMs: 1,
      allowsDamage: false,
    });
  });
  afterEach(async () => {
    await closeCore(core);
    await rm(directory, { recursive: true });
  });

  test('that began on a list replaced meanwhile answers from the new one', async () => {
    const operations = storeOperations(core, new MaintenanceGate());
    operations.createOrder(order);
    const packed = async (id: string, model: string) => {
      const devices = await buildAllowList(
        allowListFile(directory, id),
        rows({ deviceId: 'd', model }),
      );
      return () => operations.switchAllowList(tenant, order.orderId, id, devices);
    };
    const before = await packed('before', 'old');
    before();
    const after = await packed('after', 'new');
    const query = [{ deviceId: 'd', udid: new Uint8Array(32) }];
    const answer = operations.lookUp(tenant, order.orderId, packQueries(query));
    after();
    operations.dropAllowList('before');
    expect(unpackRows(await answer)).toEqual([{ deviceId: 'd', model: 'new' }]);
  });
});

describe('a new store', () => {
  test('makes its name and those of its parts durable before it is open', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'certmill-store-'));
    const directory = join(parent, 'store');
    const synced: string[] = [];
    const disk = {
      ...nodeStoreDisk,
      syncDirectory(path: string) {
        synced.push(path);
        nodeStoreDisk.syncDirectory(path);
      },
    };
    const options = { directory, disk, segmentFileBytes: 1 << 20, openedAtMs: 1 };
    await closeCore(await openCore({ ...options, allowsDamage: false }));
    expect(synced).toEqual([directory, parent]);
    await rm(parent, { recursive: true });
  });
});

async function* rows(...given: readonly AllowListRow[]) {
  for (const row of given) yield await Promise.resolve(row);
}
