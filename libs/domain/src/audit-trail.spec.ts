import { createHash } from 'node:crypto';
import {
  auditBreakOf,
  chainAuditEntry,
  type AuditEntry,
  type ChainedAuditEntry,
} from './audit-trail.js';

function anEntry(changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    atMs: 7,
    tenant: 'acme',
    actor: 'line 4',
    action: 'order.opened',
    detail: { quota: 3, orderId: 'o' },
    ...changes,
  };
}

function chainOf(count: number): ChainedAuditEntry[] {
  const chain: ChainedAuditEntry[] = [];
  for (let i = 0; i < count; i += 1)
    chain.push(chainAuditEntry(anEntry({ atMs: i }), chain.at(-1)));
  return chain;
}

describe('the audit trail', () => {
  test('hashes an entry with the hash before it, whatever the order of its details', () => {
    const text =
      `["${'0'.repeat(64)}",1,7,"acme","line 4","order.opened",` + '[["orderId","o"],["quota",3]]]';
    const expected = createHash('sha256').update(text).digest('hex');
    expect(chainAuditEntry(anEntry()).hash).toBe(expected);
    const turned = chainAuditEntry(anEntry({ detail: { orderId: 'o', quota: 3 } }));
    expect(turned.hash).toBe(expected);
  });

  test('goes on over pages', () => {
    const chain = chainOf(5);
    expect(auditBreakOf(chain)).toBeUndefined();
    expect(auditBreakOf(chain.slice(2), chain[1])).toBeUndefined();
    expect(auditBreakOf([])).toBeUndefined();
  });

  test.each([
    ['an entry that was changed', (chain: ChainedAuditEntry[]) => chain.with(2, other(chain[2]))],
    ['an entry that is missing', (chain: ChainedAuditEntry[]) => chain.toSpliced(2, 1)],
    [
      'entries that changed places',
      ([a, b, c, d, ...rest]: ChainedAuditEntry[]) => [a, b, d, c, ...rest],
    ],
    [
      'a tenant that was taken away',
      (chain: ChainedAuditEntry[]) => chain.with(2, withoutTenant(chain[2])),
    ],
  ])('shows %s', (_, change) => {
    expect(auditBreakOf(change(chainOf(5)) as ChainedAuditEntry[])).toBe(3);
  });

  test('shows that the first ones are missing', () => {
    expect(auditBreakOf(chainOf(5).slice(1))).toBe(1);
  });
});

function other(entry: ChainedAuditEntry | undefined): ChainedAuditEntry {
  return { ...(entry as ChainedAuditEntry), actor: 'somebody else' };
}

function withoutTenant(entry: ChainedAuditEntry | undefined): ChainedAuditEntry {
  const { atMs, actor, action, detail, sequence, hash } = entry as ChainedAuditEntry;
  return { atMs, actor, action, detail, sequence, hash };
}
