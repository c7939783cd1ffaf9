import type { ChangedScope, ChangedScopesPage } from '@certmill/ports';
import { buildCrl } from './build-crl.js';
import { defaultCrlPolicy, type CrlPolicy } from './crl-policy.js';
import { CrlSchedule, type CrlIssuer } from './crl-schedule.js';
import { dueCrl } from './due-crl.js';
import { MemoryCrlPorts } from './testing/memory-crl-ports.js';

const withDeltas = { ...defaultCrlPolicy, deltaLifetimeMs: 86_400_000 };
const issuer: CrlIssuer = {
  name: 'devices',
  status: { baseUri: 'http://pki.example', crlShards: 3 },
  notAfterMs: Date.UTC(2040, 0, 1),
};

describe('CrlSchedule', () => {
  let ports: MemoryCrlPorts;
  beforeEach(() => {
    ports = new MemoryCrlPorts();
  });

  function idsAdded(): string[] {
    return ports.added.splice(0).map(({ id }) => id);
  }

  it('plans every shard that has no CRL, and tells that they are missing', async () => {
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]);
    expect(await schedule.planDue()).toBe(3);
    expect(ports.added[0]).toEqual({
      id: 'devices-0',
      data: { issuer: 'devices', shard: 0 },
    });
    expect(idsAdded()).toEqual(['devices-0', 'devices-1', 'devices-2']);
    expect(schedule.ages).toMatchObject([{ issuer: 'devices', missing: 3 }]);
  });

  it('plans a CRL again at half of its life', async () => {
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]);
    const { thisUpdateMs } = await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    expect(await schedule.planDue()).toBe(0);
    expect(schedule.ages).toMatchObject([{ oldestThisUpdateMs: thisUpdateMs, missing: 0 }]);
    ports.nowMs += defaultCrlPolicy.lifetimeMs / 2;
    expect(await schedule.planDue()).toBe(3);
  });

  it('plans a scope in which something was revoked, until a CRL has it', async () => {
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]);
    expect(await schedule.planChanged()).toBe(0);
    ports.revoke(1);
    expect(await schedule.planChanged()).toBe(1);
    expect(idsAdded()).toEqual(['devices-2']);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    expect(await schedule.planChanged()).toBe(0);
  });

  it('plans the first CRLs of an issuer that is made meanwhile at the next look', async () => {
    const issuers = [{ ...issuer, name: 'before', status: { ...issuer.status!, crlShards: 1 } }];
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => issuers);
    expect(await schedule.planChanged()).toBe(0);
    issuers.push({ ...issuer, name: 'new', status: { ...issuer.status!, crlShards: 2 } });
    await schedule.planChanged();
    expect(idsAdded()).toEqual(expect.arrayContaining(['new-0', 'new-1']));
    expect(await schedule.planChanged()).toBe(0);
  });

  it('puts changes into deltas where there are any, until one has them', async () => {
    const schedule = new CrlSchedule(ports, withDeltas, () => [issuer]);
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    ports.revoke(1);
    await schedule.planChanged();
    expect(idsAdded()).toEqual(['devices-2']);
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    expect(await schedule.planChanged()).toBe(0);
    ports.revoke(2);
    expect(await schedule.planChanged()).toBe(1);
  });

  it.each([
    ['an issuer of other processes', { ...issuer, name: 'others' }],
    ['an issuer that has ended', { ...issuer, notAfterMs: Date.UTC(2026, 0, 1) }],
    [
      'a shard that the issuer has not',
      { ...issuer, status: { baseUri: 'http://pki.example', crlShards: 2 } },
    ],
  ])('plans nothing of %s', async (_, other) => {
    ports.revoke(1);
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [other]);
    expect(await schedule.planChanged()).toBe(0);
  });

  it('plans nothing of an issuer whose key is away, and tells how old its CRLs are and what waits', async () => {
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [
      { ...issuer, isKeyAway: true },
    ]);
    const { thisUpdateMs } = await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    ports.nowMs += defaultCrlPolicy.lifetimeMs;
    expect(await schedule.planDue()).toBe(0);
    expect(schedule.ages).toMatchObject([{ oldestThisUpdateMs: thisUpdateMs }]);
    ports.revoke(1);
    expect(await schedule.planChanged()).toBe(0);
    expect(schedule.waiting).toMatchObject([{ issuer: 'devices' }]);
    expect(ports.added).toEqual([]);
  });

  it('keeps up the CRL of an issuer without addresses, from its first revocation on', async () => {
    const { name, notAfterMs } = issuer;
    ports = new MemoryCrlPorts({ issuer: name, shard: 0 });
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [{ name, notAfterMs }]);
    expect(await schedule.planDue()).toBe(0);
    expect(schedule.ages).toEqual([]);
    ports.revoke(1);
    expect(await schedule.planChanged()).toBe(1);
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    expect(await schedule.planDue()).toBe(0);
    expect(schedule.ages).toMatchObject([{ issuer: name, missing: 0 }]);
    ports.nowMs += defaultCrlPolicy.lifetimeMs / 2;
    expect(await schedule.planDue()).toBe(1);
  });

  it('plans every changed scope, however many others are listed before it', async () => {
    const page = (after: ChangedScope | undefined, limit: number) =>
      Array.from({ length: 3_000 }, (_, shard) => ({
        ...{ issuer: 'devices', shard, changes: 1, followed: 0, changedAtMs: 1 },
      })).filter(
        ({ shard }, i) => shard > (after?.shard ?? -1) && i <= (after?.shard ?? -1) + limit,
      );
    const many = {
      jobs: ports.jobs,
      clock: ports.clock,
      crls: ports.crls,
      revocations: {
        listChangedScopes: (_: string, { limit, after }: ChangedScopesPage) =>
          Promise.resolve(page(after as ChangedScope | undefined, limit)),
      },
    };
    const status = { baseUri: 'http://pki.example', crlShards: 2_500 };
    const schedule = new CrlSchedule(many, defaultCrlPolicy, () => [{ ...issuer, status }]);
    expect(await schedule.planChanged()).toBe(2_500);
  });

  it('tells since when changes wait for a CRL, until one has them', async () => {
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]);
    ports.revoke(1);
    const sinceMs = ports.nowMs;
    for (let look = 0; look < 3; look += 1) {
      await schedule.planChanged();
      expect(schedule.waiting).toEqual([{ issuer: 'devices', sinceMs }]);
      // What comes later waits in the same scope, and no less for it.
      ports.nowMs += 60_000;
      ports.revoke(2 + look);
    }
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    await schedule.planChanged();
    expect(schedule.waiting).toEqual([]);
  });

  it('takes what waits by a clock that was ahead for waiting from the first look with the right one on', async () => {
    const rightMs = ports.nowMs;
    ports.nowMs += 7_200_000;
    ports.revoke(1);
    const before = new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]);
    await before.planChanged();
    ports.nowMs = rightMs;
    // Whether it was started behind the clock's correction, or has lived through it.
    for (const schedule of [new CrlSchedule(ports, defaultCrlPolicy, () => [issuer]), before]) {
      ports.nowMs = rightMs;
      await schedule.planChanged();
      ports.nowMs += 60_000;
      await schedule.planChanged();
      expect(schedule.waiting).toEqual([{ issuer: 'devices', sinceMs: rightMs }]);
    }
  });
});

describe('the CRL that is due', () => {
  let ports: MemoryCrlPorts;
  beforeEach(() => {
    ports = new MemoryCrlPorts();
  });
  const due = (policy: CrlPolicy) => dueCrl(ports, policy, ports.scope);

  it('is one by change, and none once it is made', async () => {
    expect(await due(defaultCrlPolicy)).toBe('full');
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    expect(await due(defaultCrlPolicy)).toBeUndefined();
    ports.revoke(1);
    expect(await due(defaultCrlPolicy)).toBe('full');
  });

  it('is a full one that points to deltas before the first delta, and back again', async () => {
    await buildCrl(ports, defaultCrlPolicy, ports.scope, 'full');
    ports.revoke(1);
    expect(await due(withDeltas)).toBe('full');
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    expect(await due(withDeltas)).toBe('delta');
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    expect(await due(withDeltas)).toBeUndefined();
    ports.revoke(2);
    expect(await due(withDeltas)).toBe('delta');
    expect(await due(defaultCrlPolicy)).toBe('full');
  });

  it('is made anew by time, the full one first', async () => {
    await buildCrl(ports, withDeltas, ports.scope, 'full');
    await buildCrl(ports, withDeltas, ports.scope, 'delta');
    ports.nowMs += withDeltas.deltaLifetimeMs / 2;
    expect(await due(withDeltas)).toBe('delta');
    ports.nowMs += withDeltas.lifetimeMs / 2;
    expect(await due(withDeltas)).toBe('full');
  });
});
