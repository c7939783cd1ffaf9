import assert from 'node:assert/strict';
import { auditBreakOf, chainAuditEntry, type ChainedAuditEntry } from '@certmill/domain';
import { expectSame } from './expect-same.js';
import type { AuditStore } from '../revocations.js';
import type { StoreCase } from './store-case.js';
import { atOnce, nowMs, writers } from './stores-fixture.js';

function anEntry(tenant: string, n: number) {
  return {
    atMs: nowMs,
    tenant,
    actor: 'line 4',
    action: 'order.opened',
    detail: { n, isDry: false },
  };
}

/** The whole trail, two entries at a time; other cases append to it too. */
async function trailOf(stores: AuditStore): Promise<ChainedAuditEntry[]> {
  const trail: ChainedAuditEntry[] = [];
  for (;;) {
    const after = trail.at(-1)?.sequence;
    const start = after === undefined ? {} : { after };
    const page = await stores.listAudit({ limit: 2, ...start });
    assert.ok(page.length <= 2);
    trail.push(...page);
    if (page.length < 2 || trail.length > 1_000) return trail;
  }
}

/** The audit trail: one for the whole store. */
export const auditCases: readonly StoreCase<AuditStore>[] = [
  {
    name: 'entries of 8 writers at once are all in the trail, each behind another',
    async run(stores, tenant) {
      const appended = await atOnce((writer) => stores.appendAudit(anEntry(tenant, writer)));
      assert.equal(new Set(appended.map(({ sequence }) => sequence)).size, writers);
      const trail = await trailOf(stores);
      assert.equal(auditBreakOf(trail), undefined);
      const own = trail.filter((entry) => entry.tenant === tenant);
      expectSame(
        own,
        appended.toSorted((one, other) => one.sequence - other.sequence),
      );
    },
    broken: (stores) => ({
      appendAudit: (entry) => Promise.resolve(chainAuditEntry(entry)),
      listAudit: (page) => stores.listAudit(page),
    }),
  },
  {
    name: 'an entry is told as it was given, also one about the whole installation',
    async run(stores, tenant) {
      const detail = { name: tenant, quota: 5, isDry: true };
      const entry = { atMs: nowMs, actor: 'root', action: 'issuer.created', detail };
      const { sequence, hash, ...told } = await stores.appendAudit(entry);
      expectSame(told, entry);
      const [stored] = await stores.listAudit({ limit: 1, after: sequence - 1 });
      expectSame(stored, { ...entry, sequence, hash });
    },
    broken: (stores) => ({
      listAudit: async (page) =>
        (await stores.listAudit(page)).map((entry) => ({ ...entry, detail: {} })),
    }),
  },
  {
    name: 'an entry that is gone breaks the chain where it was',
    async run(stores, tenant) {
      const first = await stores.appendAudit(anEntry(tenant, 0));
      await stores.appendAudit(anEntry(tenant, 1));
      await stores.appendAudit(anEntry(tenant, 2));
      const [before] = await stores.listAudit({ limit: 1, after: first.sequence - 1 });
      const behind = await stores.listAudit({ limit: 9, after: first.sequence });
      assert.equal(auditBreakOf(behind, before), undefined);
      assert.equal(auditBreakOf(behind.slice(1), before), first.sequence + 1);
    },
    broken: (stores) => ({
      listAudit: async (page) =>
        (await stores.listAudit(page)).filter(({ detail }) => detail['n'] !== 1),
    }),
  },
];
