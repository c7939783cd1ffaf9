import assert from 'node:assert/strict';
import type { ApprovalLedger, UsedApprovals } from '../approvals.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import { atOnce, hex, nowMs, writers } from './stores-fixture.js';

function aUse(name: string, changes: Partial<UsedApprovals> = {}): UsedApprovals {
  return {
    operationId: hex(name).slice(0, 32),
    useId: 'run-1',
    usedAt: new Date(nowMs).toISOString(),
    kind: 'mass-revocation',
    sha256: hex('content'),
    approvals: [{ approver: 'alice', 'a.b': { $set: [1, null] } }, { approver: 'bob' }],
    ...changes,
  };
}

/** Approvals that were used: one use of each operation. */
export const approvalCases: readonly StoreCase<ApprovalLedger>[] = [
  {
    name: 'a use is told as it was given, also to those who come later',
    async run(ledger, name) {
      const used = aUse(name);
      expectSame(await ledger.useApprovals(used), used);
      expectSame(await ledger.useApprovals(aUse(name, { useId: 'run-2', approvals: [] })), used);
      expectSame(await ledger.useApprovals(aUse(name, { sha256: hex('other') })), used);
    },
    broken: () => ({ useApprovals: (used) => Promise.resolve(used) }),
  },
  {
    name: 'a use is found by its operation, and none where there was none',
    async run(ledger, name) {
      const used = aUse(name);
      assert.equal(await ledger.findUse(used.operationId), undefined);
      await ledger.useApprovals(used);
      await ledger.useApprovals(aUse(name, { useId: 'run-2' }));
      expectSame(await ledger.findUse(used.operationId), used);
      assert.equal(await ledger.findUse(aUse(`${name}-other`).operationId), undefined);
    },
    broken: () => ({ findUse: () => Promise.resolve(undefined) }),
  },
  {
    name: 'of 8 uses at once one is in force',
    async run(ledger, name) {
      const told = await atOnce((writer) =>
        ledger.useApprovals(aUse(name, { useId: `run-${String(writer)}` })),
      );
      assert.equal(told.length, writers);
      assert.equal(new Set(told.map(({ useId }) => useId)).size, 1);
    },
    broken: () => ({ useApprovals: (used) => Promise.resolve(used) }),
  },
  {
    name: 'operations are apart',
    async run(ledger, name) {
      const first = aUse(`${name}-1`);
      const second = aUse(`${name}-2`, { useId: 'run-2' });
      expectSame(await ledger.useApprovals(first), first);
      expectSame(await ledger.useApprovals(second), second);
    },
    broken(ledger) {
      const operationId = hex('one for all').slice(0, 32);
      return { useApprovals: (used) => ledger.useApprovals({ ...used, operationId }) };
    },
  },
];
