import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  canonicalJson,
  serialNumberBefore,
  type MassOperation,
  type TenantId,
} from '@certmill/domain';
import { listScope } from '@certmill/pipeline';
import type { IssuanceStore } from '@certmill/platform';
import type { CrlScope, RevokedCertificate } from '@certmill/ports';
import { allOf } from '../all-of.js';
import {
  auditEntriesOf,
  carriedOperation,
  outcomesOf,
  rowsOf,
  statusesOf,
  type OnCarried,
} from './carry-store.js';
import type { MigrationSource } from './migration-source.js';

const findingsTold = 100;

/**
 * Whether a store tells of everything what the folder tells, and of nothing else; what it does not, a
 * line each. Certificates and verdicts are for `verifyStore`.
 */
export async function compareStores(
  { store: source }: MigrationSource,
  store: IssuanceStore,
  onCompared: OnCarried,
): Promise<readonly string[]> {
  const findings: string[] = [];
  const expect = (what: string, wanted: unknown, found: unknown): void => {
    if (isSame(wanted, found) || findings.length >= findingsTold) return;
    findings.push(`${what} is not what it was in the data folder`);
  };
  const expectSelection = async (name: string, operation: MassOperation): Promise<void> => {
    for (let page = 0; ; page += 1) {
      const wanted = await source.frozenPage(operation, page);
      expect(`the selection of ${name}`, wanted, await store.frozenPage(operation, page));
      if (wanted.length === 0) return;
    }
  };
  const read = source.readOut();
  const { counts } = await read.survey();
  const found = { orders: 0, batches: 0, massOperations: 0 };
  for await (const tenant of allOf((page) => source.listTenants(page))) {
    const added = await credentialsMissing(source, store, tenant);
    expect(`the credentials of tenant ${tenant}`, [], added);
    for await (const profile of allOf((page) => source.listProfiles(tenant, page))) {
      // Looked for one by one: `fleet init` may be of a later release, which has more of them.
      const { name, version, hash } = profile;
      const what = `profile ${name} version ${String(version)} of tenant ${tenant}`;
      expect(what, profile, await store.getProfile(tenant, hash));
    }
  }
  for await (const tenant of allOf((page) => store.listTenants(page))) {
    for await (const { operationId } of allOf((page) => store.listOperations(tenant, page))) {
      const operation = await source.getOperation(tenant, operationId);
      const name = `mass operation ${tenant}/${operationId}`;
      const wanted = operation && carriedOperation(operation);
      expect(name, wanted, await store.getOperation(tenant, operationId));
      if (operation !== undefined) {
        await expectSelection(name, operation);
        expect(
          `what became of ${name}`,
          await digestOf(outcomesOf(source, operation)),
          await digestOf(outcomesOf(store, operation)),
        );
      }
      found.massOperations += 1;
    }
    for await (const order of allOf((page) => store.listOrders(tenant, page))) {
      found.orders += 1;
      for await (const batch of allOf((page) => store.listBatches(tenant, order.orderId, page))) {
        found.batches += 1;
        const wanted = await source.getBatch(tenant, batch.batchId);
        expect(`batch ${batch.batchId}`, wanted, batch);
        onCompared('batches compared', found.batches, counts.batches);
      }
    }
  }
  for await (const { order, reserved } of rowsOf((after, limit) => read.orders(after, limit))) {
    const { tenant, orderId } = order;
    const own = await store.getOrder(tenant, orderId);
    expect(`order ${tenant}/${orderId}`, order, own);
    const reservedThere = await store.reservedUnder(tenant, orderId);
    expect(`the reserved quota of order ${tenant}/${orderId}`, reserved, reservedThere);
  }
  for await (const { chunk, index, status } of statusesOf(read)) {
    const { tenant, batchId } = chunk;
    const own = await store.getStatus(tenant, batchId, index);
    expect(`the status of ${batchId}/${String(index)}`, status, own);
  }
  let rows = 0;
  for (const scope of await read.scopes()) {
    // All that ever changed: released ones too.
    for await (const page of listScope(store, scope, { changedSince: 0 })) {
      rows += page.length;
      for (const row of page) {
        const serialHex = Buffer.from(row.serialNumber).toString('hex');
        expect(`the revocation of ${serialHex}`, await rowIn(source, scope, row), row);
      }
    }
  }
  expect('the number of revocations', counts.revocations, rows);
  const trail = auditEntriesOf(store);
  for await (const entry of auditEntriesOf(source)) {
    const own: unknown = (await trail.next()).value;
    expect(`audit entry ${String(entry.sequence)}`, entry, own);
  }
  expect('the number of orders', counts.orders, found.orders);
  expect('the number of batches', counts.batches, found.batches);
  expect('the number of mass operations', counts.massOperations, found.massOperations);
  const times = [await source.lastIssuanceMs(), await store.lastIssuanceMs()];
  expect('the time of the last issuance', times[0], times[1]);
  return findings;
}

/** The row of the folder with the same serial number. */
async function rowIn(
  source: IssuanceStore,
  scope: CrlScope,
  { serialNumber }: RevokedCertificate,
): Promise<RevokedCertificate | undefined> {
  const [row] = await source.listRevoked(scope, {
    limit: 1,
    changedSince: 0,
    after: serialNumberBefore(serialNumber),
  });
  return row;
}

/** Those of the fleet's own first credential are more, not other ones. */
async function credentialsMissing(
  source: MigrationSource['store'],
  store: IssuanceStore,
  tenant: TenantId,
): Promise<readonly unknown[]> {
  const own = await store.listCredentials(tenant);
  const wanted = await source.listCredentials(tenant);
  return wanted.filter((one) => !own.some((each) => isSame(each, one)));
}

/** As data: a field that is absent is one that is undefined. */
function isSame(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(plain(left), plain(right));
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

async function digestOf(values: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for await (const value of values) hash.update(canonicalJson(value));
  return hash.digest('hex');
}
