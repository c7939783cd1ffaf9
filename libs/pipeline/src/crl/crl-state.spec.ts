import { buildCrl } from './build-crl.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { crlStateOf } from './crl-state.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

describe('crlStateOf', () => {
  let ports: MemoryCrlPorts;
  beforeEach(() => {
    ports = new MemoryCrlPorts();
  });
  const { issuer } = new MemoryCrlPorts().scope;
  const state = () => crlStateOf(ports, issuer, 0);

  it('tells of an issuer without CRLs that they are missing, and not behind', async () => {
    expect(await state()).toEqual({ issuer, shards: 1, missing: 1, behind: 0, entries: 0 });
    ports.revoke(1);
    expect(await state()).toMatchObject({ missing: 1, behind: 1 });
  });

  it('is behind until a CRL has what was revoked, whatever the clocks say', async () => {
    ports.revoke(1);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    const { nowMs: thisUpdateMs } = ports;
    const nextUpdateMs = thisUpdateMs + defaultCrlPolicy.lifetimeMs;
    const now = { missing: 0, behind: 0, entries: 1, thisUpdateMs, nextUpdateMs };
    expect(await state()).toMatchObject(now);
    ports.revoke(2);
    expect(await state()).toMatchObject({ behind: 1, entries: 1 });
    const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    expect(await state()).toMatchObject({ behind: 0, entries: 1 });
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
