import { buildCrl } from './build-crl.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { dueCrl } from './due-crl.js';
import { crlStateOf } from './crl-state.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };

describe('crlStateOf', () => {
  let ports: MemoryCrlPorts;
  beforeEach(() => {
    ports = new MemoryCrlPorts();
  });
  const { issuer } = new MemoryCrlPorts().scope;
  const state = () => crlStateOf(ports, issuer, 0);

  it('tells of an issuer without CRLs that they are missing, and not behind', async () => {
    const none = { crls: 0, behind: 0, entries: 0, changes: 0 };
    const nothing = { missing: 1, behind: 0, changes: 0, full: none, delta: none };
    expect(await state()).toEqual({ issuer, shards: 1, ...nothing });
    ports.revoke(1);
    expect(await state()).toMatchObject({ missing: 1, behind: 1 });
  });

  it('is behind until a CRL has what was revoked, whatever the clocks say', async () => {
    ports.revoke(1);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    const { nowMs: thisUpdateMs } = ports;
    const nextUpdateMs = thisUpdateMs + defaultCrlPolicy.lifetimeMs;
    const full = { crls: 1, behind: 0, entries: 1, changes: 1 };
    const now = { missing: 0, behind: 0, changes: 1, full, thisUpdateMs, nextUpdateMs };
    expect(await state()).toMatchObject(now);
    ports.revoke(2);
    expect(await state()).toMatchObject({ behind: 1, changes: 2, full: { ...full, behind: 1 } });
  });

  it('tells full CRLs from deltas: which of them have what was revoked', async () => {
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    ports.revoke(1);
    ports.nowMs += 1;
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    expect(await state()).toMatchObject({
      behind: 0,
      full: { crls: 1, behind: 1, entries: 0, changes: 0 },
      delta: { crls: 1, behind: 0, entries: 1, changes: 1 },
    });
    ports.revoke(2);
    ports.nowMs += 1;
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    expect(await state()).toMatchObject({
      behind: 0,
      full: { behind: 0, entries: 2, changes: 2 },
      delta: { behind: 1, entries: 1, changes: 1 },
    });
  });

  it('does not count a delta that the full CRL has taken the place of, whatever is in it', async () => {
    const { crls, signer } = ports;
    const { listRevoked } = ports.revocations;
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    ports.nowMs += 1;
    const clock = { nowMs: () => ports.nowMs + 1 };
    // A full one that is begun first, has a later time and ends last.
    const slow = buildCrl(
      {
        ...{ clock, crls, signer },
        revocations: {
          ...ports.revocations,
          async listRevoked(...page) {
            const rows = await listRevoked(...page);
            ports.revoke(1);
            await buildCrl(ports, withDeltas, ports.scope, 'delta');
            return rows;
          },
        },
      },
      withDeltas,
      ports.scope,
      'full',
    );
    expect(await slow).toMatchObject({ stored: true, entries: 0 });
    expect(await state()).toMatchObject({ behind: 1, delta: { behind: 0, entries: 1 } });
    expect(await dueCrl(ports, withDeltas, ports.scope)).toBe('delta');
    ports.nowMs += 2;
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    expect(await state()).toMatchObject({ behind: 0 });
  });

  it('is behind where a CRL is of other changes, as after a restore', async () => {
    ports.revoke(1);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    const full = await ports.crls.describeCrl(ports.scope, 'full');
    const describeCrl = (_: unknown, kind: string) =>
      Promise.resolve(kind === 'full' && full ? { ...full, changes: 9 } : undefined);
    const restored = { revocations: ports.revocations, crls: { describeCrl } };
    expect(await crlStateOf(restored, issuer, 0)).toMatchObject({ missing: 0, behind: 1 });
  });

  it('counts every shard', async () => {
    ports.revoke(1);
    // The ports of this test have one scope in all shards.
    expect(await crlStateOf(ports, issuer, 130)).toMatchObject({
      shards: 130,
      missing: 130,
      behind: 130,
    });
  });
});
