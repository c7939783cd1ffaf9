import type { AuditEntry, ChainedAuditEntry } from '@certmill/domain';
import { buildCrl, type CrlKind } from './build-crl.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { dueCrl } from './due-crl.js';
import { replaceCrlsToCome } from './replace-crls-to-come.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };
const yearMs = 365 * 86_400_000;

describe('after a clock that was ahead', () => {
  let ports: MemoryCrlPorts;
  let noted: AuditEntry[];
  beforeEach(() => {
    ports = new MemoryCrlPorts();
    noted = [];
  });

  const replace = (policy = defaultCrlPolicy, scopes = [ports.scope]) => {
    const { clock, crls, revocations, signer } = ports;
    const audit = {
      appendAudit: (entry: AuditEntry) => {
        noted.push(entry);
        return Promise.resolve(entry as ChainedAuditEntry);
      },
    };
    const all = { clock, crls, revocations, signer, audit };
    return replaceCrlsToCome(all, policy, { scopes, actor: 'me' });
  };

  async function buildAhead(kinds: readonly CrlKind[], policy = defaultCrlPolicy): Promise<void> {
    ports.nowMs += yearMs;
    for (const kind of kinds) await buildCrl(ports, policy, ports.scope, kind);
    ports.nowMs -= yearMs;
  }

  it('CRLs of now with higher numbers take the place of those to come, and it is noted', async () => {
    ports.revoke(1);
    await buildAhead(['full']);
    ports.revoke(2);
    const ahead = await ports.crls.getCrl(ports.scope, 'full');
    const [made, ...others] = await replace();
    expect(others).toEqual([]);
    expect(made).toMatchObject({ stored: true, entries: 2, changes: 2, thisUpdateMs: ports.nowMs });
    expect(made!.crlNumber).toBeGreaterThan(ahead!.crlNumber);
    const { issuer, shard } = ports.scope;
    const latestThisUpdate = new Date(ahead!.thisUpdateMs).toISOString();
    const about = { issuer, shards: String(shard) };
    expect(noted).toMatchObject([
      { action: 'crl.replacement.begun', actor: 'me', detail: { ...about, latestThisUpdate } },
      { action: 'crl.replacement.ended', actor: 'me', detail: { ...about, crls: 1 } },
    ]);
    ports.nowMs += 1;
    await expect(buildCrl(ports, defaultCrlPolicy, ports.scope, 'full')).resolves.toMatchObject({
      stored: true,
    });
  });

  it.each([
    ['where there are deltas', withDeltas],
    ['where there are none any more', defaultCrlPolicy],
  ])('so does a delta, %s, based on the new full one', async (_, policy) => {
    await buildAhead(['full', 'delta'], withDeltas);
    ports.revoke(1);
    const made = await replace(policy);
    expect(made.map(({ kind }) => kind)).toEqual(['full', 'delta']);
    expect(ports.signed.at(-1)!.baseCrlNumber).toBe(made[0]!.crlNumber);
    expect(made[1]!.crlNumber).toBeGreaterThan(made[0]!.crlNumber);
    await expect(dueCrl(ports, policy, ports.scope)).resolves.toBeUndefined();
  });

  it('killed between the two, it goes on', async () => {
    await buildAhead(['full', 'delta'], withDeltas);
    const correcting = { ...withDeltas, replacesFutureUntilMs: Infinity };
    await buildCrl(ports, correcting, ports.scope, 'full');
    await expect(replace(withDeltas)).resolves.toHaveLength(2);
    await expect(replace(withDeltas)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('nothing is replaced that is not to come', async () => {
    await expect(replace()).rejects.toMatchObject({ code: 'CONFLICT' });
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    // Jitter is bridged, and needs nobody.
    ports.nowMs -= 4_000;
    await expect(replace()).rejects.toMatchObject({ code: 'CONFLICT' });
    expect([noted, ports.signed.length]).toEqual([[], 1]);
  });

  it('what is to come is planned, so that somebody is told, and made by who has said that the clock is right', async () => {
    await buildAhead(['full', 'delta'], withDeltas);
    const until = (ms: number) => ({ ...withDeltas, replacesFutureUntilMs: ports.nowMs + ms });
    for (const kind of ['full', 'delta'] as const) {
      await expect(dueCrl(ports, withDeltas, ports.scope)).resolves.toBe(kind);
      await expect(buildCrl(ports, until(0), ports.scope, kind)).rejects.toMatchObject({
        code: 'FAULT_CLOCK_BACKWARDS',
      });
      await buildCrl(ports, until(1), ports.scope, kind);
    }
    await expect(dueCrl(ports, withDeltas, ports.scope)).resolves.toBeUndefined();
  });
});
