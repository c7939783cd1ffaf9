import { buildCrl } from './build-crl.js';
import { defaultCrlPolicy } from './crl-policy.js';
import { CrlSchedule, type CrlIssuer } from './crl-schedule.js';
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
      data: { issuer: 'devices', shard: 0, kind: 'full' },
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
    expect(idsAdded()).toEqual(['devices-2-delta']);
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

  it('makes no CRLs by time for an issuer without addresses', async () => {
    const { name, notAfterMs } = issuer;
    const schedule = new CrlSchedule(ports, defaultCrlPolicy, () => [{ name, notAfterMs }]);
    expect(await schedule.planDue()).toBe(0);
    expect(schedule.ages).toEqual([]);
  });
});
