import assert from 'node:assert/strict';
import type { ApprovalLedger } from '../approvals.js';
import type { JobQueue } from '../jobs.js';
import type { MassOperationStore } from '../mass-operations.js';
import type { AuditStore, CrlStore } from '../revocations.js';
import { accountCases } from './account-cases.js';
import { approvalCases } from './approval-cases.js';
import { auditCases } from './audit-cases.js';
import { batchCases } from './batch-cases.js';
import { crlCases } from './crl-cases.js';
import { deadLetterCases } from './dead-letter-cases.js';
import { expiryCases } from './expiry-cases.js';
import { issuanceCases } from './issuance-cases.js';
import { jobCases } from './job-cases.js';
import { massOperationCases } from './mass-operation-cases.js';
import { revocationCases, type RevocationStores } from './revocation-cases.js';
import { withBroken, type StoreCase } from './store-case.js';
import type { Stores } from './stores-fixture.js';

export const storeCases: readonly StoreCase[] = [
  ...accountCases,
  ...batchCases,
  ...deadLetterCases,
  ...issuanceCases,
];

export interface StoresUnderTest {
  readonly stores: Stores;
  close(): Promise<void>;
}

export interface JobQueueUnderTest {
  /** MUST retry a failed job within a second. */
  readonly jobs: JobQueue;
  close(): Promise<void>;
}

/**
 * The conformance suite of the store ports: every case holds for the stores, and fails on the same
 * stores with the bug that it is there to find. All cases share one store; each has a tenant of its
 * own. Call it where Jest's globals are.
 */
export function describeStores(name: string, makeStores: () => Promise<StoresUnderTest>): void {
  describeCases(name, storeCases, async () => {
    const opened = await makeStores();
    return { port: opened.stores, close: () => opened.close() };
  });
}

/** The same of revocations, of certificates that expire, and the audit trail. */
export function describeRevocations(
  name: string,
  makeStores: () => Promise<{
    readonly stores: RevocationStores;
    readonly close: () => Promise<void>;
  }>,
): void {
  describeCases(name, [...revocationCases, ...expiryCases, ...auditCases], async () => {
    const opened = await makeStores();
    return { port: opened.stores, close: () => opened.close() };
  });
}

/** The same of an audit trail alone. */
export function describeAudit(
  name: string,
  makeTrail: () => Promise<{ readonly stores: AuditStore; readonly close: () => Promise<void> }>,
): void {
  describeCases(name, auditCases, async () => {
    const opened = await makeTrail();
    return { port: opened.stores, close: () => opened.close() };
  });
}

/** The same of CRLs in force. */
export function describeCrls(
  name: string,
  makeStore: () => Promise<{ readonly stores: CrlStore; readonly close: () => Promise<void> }>,
): void {
  describeCases(name, crlCases, async () => {
    const opened = await makeStore();
    return { port: opened.stores, close: () => opened.close() };
  });
}

/** The same of mass operations. */
export function describeMassOperations(
  name: string,
  makeStore: () => Promise<{
    readonly stores: MassOperationStore;
    readonly close: () => Promise<void>;
  }>,
): void {
  describeCases(name, massOperationCases, async () => {
    const opened = await makeStore();
    return { port: opened.stores, close: () => opened.close() };
  });
}

/** The same of approvals that were used. */
export function describeApprovals(
  name: string,
  makeLedger: () => Promise<{
    readonly ledger: ApprovalLedger;
    readonly close: () => Promise<void>;
  }>,
): void {
  describeCases(name, approvalCases, async () => {
    const opened = await makeLedger();
    return { port: opened.ledger, close: () => opened.close() };
  });
}

/** The same of the job queue. */
export function describeJobQueue(name: string, makeQueue: () => Promise<JobQueueUnderTest>): void {
  describeCases(name, jobCases, async () => {
    const opened = await makeQueue();
    return { port: opened.jobs, close: () => opened.close() };
  });
}

/** How long a case waits for a broken store, which may never do what it waits for. */
const brokenPatienceMs = 2_000;

function describeCases<Port extends object>(
  name: string,
  cases: readonly StoreCase<Port>[],
  open: () => Promise<{ readonly port: Port; readonly close: () => Promise<void> }>,
): void {
  describe(name, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    cases.forEach((each, i) => {
      test(each.name, () => each.run(opened.port, `tenant-${String(i)}`));
      test(`... which a broken one is caught by: ${each.name}`, async () => {
        const { port } = opened;
        const broken = withBroken(port, each.broken(port));
        await assert.rejects(each.run(broken, `broken-${String(i)}`, brokenPatienceMs));
      });
    });
  });
}
