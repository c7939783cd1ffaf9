import assert from 'node:assert/strict';
import { accountCases } from './account-cases.js';
import { batchCases } from './batch-cases.js';
import { deadLetterCases } from './dead-letter-cases.js';
import { issuanceCases } from './issuance-cases.js';
import { jobCases } from './job-cases.js';
import { withBroken, type StoreCase } from './store-case.js';
import type { Stores } from './stores-fixture.js';

export const storeCases: readonly StoreCase[] = [
  ...accountCases,
  ...batchCases,
  ...deadLetterCases,
  ...issuanceCases,
  ...jobCases,
];

export interface StoresUnderTest {
  readonly stores: Stores;
  close(): Promise<void>;
}

/**
 * The conformance suite of the store ports: every case holds for the stores, and fails on the same
 * stores with the bug that it is there to find. All cases share one store; each has a tenant of its
 * own. Call it where Jest's globals are.
 */
export function describeStores(name: string, makeStores: () => Promise<StoresUnderTest>): void {
  describe(name, () => {
    let opened: StoresUnderTest;
    beforeAll(async () => {
      opened = await makeStores();
    });
    afterAll(() => opened.close());

    storeCases.forEach((each, i) => {
      test(each.name, () => each.run(opened.stores, `tenant-${String(i)}`));
      test(`... which a broken store is caught by: ${each.name}`, async () => {
        const { stores } = opened;
        const broken = withBroken(stores, each.broken(stores));
        await assert.rejects(each.run(broken, `broken-${String(i)}`));
      });
    });
  });
}
