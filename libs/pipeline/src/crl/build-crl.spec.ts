import { RevokedEntries } from '@certmill/der';
import { buildCrl } from './build-crl.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };

function build(ports: MemoryCrlPorts, kind: 'full' | 'delta' = 'full', policy = withDeltas) {
  return buildCrl(ports, policy, ports.scope, kind);
}

function entriesOf(ports: MemoryCrlPorts): number[] {
  const entries = RevokedEntries.of(ports.signed.at(-1)!.entries);
  const view = Buffer.from(entries.bytes);
  return Array.from({ length: entries.length }, (_, i) =>
    view.readUInt32BE(entries.serialStart(i) + 16),
  );
}

describe('buildCrl', () => {
  let ports: MemoryCrlPorts;
  beforeEach(() => {
    ports = new MemoryCrlPorts();
  });

  function changedScopes(): Promise<readonly unknown[]> {
    const page = { issuers: [ports.scope.issuer], limit: 9 };
    return ports.revocations.listChangedScopes('full', page);
  }

  it('has every revocation, ascending, over pages', async () => {
    for (let index = 25_000; index > 0; index -= 1) ports.revoke(index);
    const built = await build(ports);
    expect(built).toMatchObject({ stored: true, entries: 25_000, changes: 25_000, kind: 'full' });
    expect(RevokedEntries.of(ports.signed[0]!.entries).isAscending()).toBe(true);
    expect(entriesOf(ports).slice(0, 3)).toEqual([1, 2, 3]);
  });

  it('is numbered by its time, and upwards within the same millisecond', async () => {
    const first = await build(ports);
    expect(first.crlNumber).toBe(BigInt(ports.nowMs));
    const second = await build(ports);
    const delta = await build(ports, 'delta');
    const third = await build(ports);
    expect([second, delta, third].map(({ crlNumber }) => crlNumber - first.crlNumber)).toEqual([
      1n,
      2n,
      3n,
    ]);
  });

  it('is numbered upwards after a restore to a time before the last CRLs', async () => {
    await build(ports);
    const backup = await ports.crls.getCrl(ports.scope, 'full');
    // As many as come at once: within a millisecond numbers run ahead of the time.
    for (let lost = 0; lost < 9; lost += 1) await build(ports);
    const published = await ports.crls.getCrl(ports.scope, 'full');
    expect(published!.crlNumber).toBeGreaterThan(BigInt(ports.nowMs));
    ports.loseCrls();
    await ports.crls.putCrl(backup!, undefined);
    ports.nowMs += 1_000;
    const after = await build(ports);
    expect(after).toMatchObject({ stored: true });
    expect(after.crlNumber).toBeGreaterThan(published!.crlNumber);
  });

  it('uses the later time where the clock is a little behind, and refuses where it is more', async () => {
    const { thisUpdateMs } = await build(ports);
    ports.nowMs -= 4_000;
    await expect(build(ports)).resolves.toMatchObject({ thisUpdateMs });
    ports.nowMs -= 2_000;
    await expect(build(ports)).rejects.toMatchObject({ code: 'FAULT_CLOCK_BACKWARDS' });
    await expect(ports.crls.getCrl(ports.scope, 'full')).resolves.toMatchObject({ thisUpdateMs });
  });

  it('leaves what is in force where another owner has put one meanwhile', async () => {
    const race = ports.signedBy(async (crl) => {
      ports.nowMs += 10;
      await build(ports);
      return ports.signer.signCrl(crl);
    });
    const outrun = await buildCrl(race, withDeltas, ports.scope, 'full');
    expect(outrun.stored).toBe(false);
    const inForce = await ports.crls.getCrl(ports.scope, 'full');
    expect(inForce!.crlNumber).toBe(outrun.crlNumber + 10n);
  });

  it('never takes back a revocation of one in force, whose ever clock is ahead', async () => {
    for (let index = 1; index <= 5; index += 1) ports.revoke(index);
    // Its clock is ahead and it has read all that there was; then the other owner makes a CRL of six.
    const ahead = ports.signedBy(async (crl) => {
      ports.revoke(6);
      ports.nowMs -= 2_000;
      await build(ports);
      return ports.signer.signCrl(crl);
    });
    ports.nowMs += 2_000;
    await expect(buildCrl(ahead, withDeltas, ports.scope, 'full')).resolves.toMatchObject({
      stored: false,
    });
    await expect(ports.crls.getCrl(ports.scope, 'full')).resolves.toMatchObject({ changes: 6 });
    await expect(changedScopes()).resolves.toHaveLength(0);
  });

  it('stays dirty for what was revoked while it was made', async () => {
    ports.revoke(1);
    const busy = ports.signedBy((crl) => {
      ports.revoke(2);
      return ports.signer.signCrl(crl);
    });
    await buildCrl(busy, defaultCrlPolicy, ports.scope, 'full');
    await expect(changedScopes()).resolves.toHaveLength(1);
    await build(ports);
    await expect(changedScopes()).resolves.toHaveLength(0);
  });

  it('changes nothing where no slot can sign', async () => {
    ports.revoke(1);
    const broken = ports.signedBy(() => Promise.reject(new Error('gone')));
    await expect(buildCrl(broken, defaultCrlPolicy, ports.scope, 'full')).rejects.toThrow('gone');
    await expect(ports.crls.getCrl(ports.scope, 'full')).resolves.toBeUndefined();
    await expect(changedScopes()).resolves.toHaveLength(1);
  });

  it('has no revocation that is to come, whatever other clocks say', async () => {
    ports.revoke(1, { revokedAtMs: ports.nowMs + 60_000 });
    await build(ports);
    const entries = RevokedEntries.of(ports.signed[0]!.entries);
    expect(entries.revocationSeconds(0)).toBe(Math.floor(ports.nowMs / 1_000));
  });

  it('has an ended certificate in one CRL beyond its end, and then no more', async () => {
    ports.revoke(1, { notAfterMs: ports.nowMs + 1_000 });
    await build(ports);
    ports.nowMs += 2_000;
    await build(ports);
    expect(entriesOf(ports)).toEqual([1]);
    ports.nowMs += 2_000;
    await build(ports);
    expect(entriesOf(ports)).toEqual([]);
  });

  it('has all that have not ended, and a higher number, once a clock that was ahead is right', async () => {
    const rightMs = ports.nowMs;
    for (const index of [1, 2]) ports.revoke(index, { notAfterMs: rightMs + 1e9 });
    await build(ports);
    ports.nowMs += 2e9;
    for (let round = 0; round < 2; round += 1) await build(ports);
    expect(entriesOf(ports)).toEqual([]);
    const ahead = await ports.crls.getCrl(ports.scope, 'full');
    ports.nowMs = rightMs + 60_000;
    await expect(build(ports)).rejects.toMatchObject({ code: 'FAULT_CLOCK_BACKWARDS' });
    const correcting = { ...withDeltas, replacesFutureUntilMs: ports.nowMs + 1 };
    const { crlNumber, thisUpdateMs } = await build(ports, 'full', correcting);
    expect(entriesOf(ports)).toEqual([1, 2]);
    expect(thisUpdateMs).toBe(ports.nowMs);
    expect(crlNumber).toBeGreaterThan(ahead!.crlNumber);
    // From now on as ever.
    ports.nowMs += 1;
    await build(ports, 'full', correcting);
    expect(entriesOf(ports)).toEqual([1, 2]);
  });

  it('as a delta has what changed since the full one, and what was released', async () => {
    ports.revoke(1);
    ports.revoke(2, { reason: 'certificateHold' });
    const full = await build(ports);
    ports.revoke(3);
    ports.revoke(2, { reason: 'removeFromCRL' });
    const delta = await build(ports, 'delta');
    expect(delta).toMatchObject({ kind: 'delta', entries: 2 });
    expect(ports.signed.at(-1)).toMatchObject({ baseCrlNumber: full.crlNumber, hasDeltas: true });
    expect(entriesOf(ports)).toEqual([2, 3]);
    expect(delta.nextUpdateMs - delta.thisUpdateMs).toBe(withDeltas.deltaLifetimeMs);
    await build(ports);
    expect(entriesOf(ports)).toEqual([1, 3]);
  });

  it('is a full one where a delta has nothing to be based on', async () => {
    await expect(build(ports, 'delta')).resolves.toMatchObject({ kind: 'full' });
    expect(ports.signed[0]!.baseCrlNumber).toBeUndefined();
  });
});
