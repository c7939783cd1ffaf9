import { readFileSync } from 'node:fs';
import type { Pkcs11SlotOptions, SlotSettings } from '@certmill/signing';
import { aChunk, type IssuerKeyType } from '@certmill/signing/testing';
import { countVerified, signBulk } from './certificates.js';
import { keyId, keyLabel, TokenFixture } from './token-fixture.js';

const keyTypes: readonly IssuerKeyType[] = ['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'];

describe.each(keyTypes)('an issuer with a %s key in two tokens', (keyType) => {
  let fixture: TokenFixture;
  beforeAll(async () => {
    fixture = await TokenFixture.open(keyType);
  });
  afterAll(() => fixture.close());

  it('has certificates from both that openssl and @peculiar/x509 verify', async () => {
    const process = fixture.start({ threadsPerSlot: 2 });
    const { issuer, folder } = fixture;
    await process.until(({ opened }) => opened !== undefined, 'opened');
    const told = await Promise.all(
      Array.from({ length: 8 }, () => signBulk(process, aChunk({ count: 3 }))),
    );
    expect(new Set(told.map(({ slot }) => slot))).toEqual(new Set(['east', 'west']));
    for (const each of told) expect(await countVerified(each, issuer.certificateDer, folder)).toBe(3);

    const { health = [] } = await process.ask({ do: 'health' });
    expect(health).toMatchObject([
      { slot: 'east', state: 'ready', sessions: 3, failures: 0, hungThreads: 0 },
      { slot: 'west', state: 'ready', sessions: 3, failures: 0, hungThreads: 0 },
    ]);
    expect(health.reduce((sum, { usage }) => sum + usage.signatures, 0)).toBe(24);
    for (const { usage } of health) {
      expect(usage.latency.counts.reduce((sum, count) => sum + count, 0)).toBe(usage.signatures);
      expect(usage.latency.sumSeconds).toBeGreaterThan(0);
      expect(usage.busySeconds).toBeGreaterThanOrEqual(usage.latency.sumSeconds);
    }
    expect(await process.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a key of a token', () => {
  let fixture: TokenFixture;
  beforeAll(async () => {
    fixture = await TokenFixture.open('P-256');
    const [east] = fixture.tokens;
    const second = { token: east!, label: 'twice', key: fixture.issuer.privateKey };
    await fixture.hsm.importKey({ ...second, idHex: '01' });
    await fixture.hsm.importKey({ ...second, idHex: '02' });
  });
  afterEach(() => fixture.reset());
  afterAll(() => fixture.close());

  const opening = (options: Partial<Pkcs11SlotOptions>) => {
    const process = fixture.start({}, [fixture.slot('east', options)]);
    return process.until(
      ({ opened, fault }) => opened !== undefined || fault !== undefined,
      'the end of opening',
    );
  };

  it.each<[string, Partial<Pkcs11SlotOptions>]>([
    ['label', { keyLabel }],
    ['label and id', { keyLabel: 'twice', keyId: Buffer.from([2]) }],
  ])('is found by %s', async (_, named) => {
    const { opened } = await opening(named);
    expect(opened).toMatchObject([{ state: 'ready' }]);
  });

  it('is found by id alone', async () => {
    const { settings, ...slot } = fixture.slot('east', { keyId });
    const { keyLabel: _, ...byId } = settings;
    const process = fixture.start({}, [{ ...slot, settings: byId as SlotSettings }]);
    await process.becomes('east', 'ready');
  });

  it.each([
    ['a label that no key has', { keyLabel: 'nobody' }, 'no private key with label nobody'],
    ['a label that two keys have', { keyLabel: 'twice' }, 'several private keys with label twice'],
    [
      'an id that its label does not have',
      { keyId: Buffer.from([9]) },
      `no private key with label ${keyLabel} and id 09`,
    ],
  ])('is refused by %s', async (_, named, message) => {
    const { fault, message: said } = await opening(named);
    expect(fault).toBe('CONFIG_INVALID');
    expect(said).toContain(message);
  });

  it('is out of reach where its token is not there, and named', async () => {
    const process = fixture.start({}, [fixture.slot('east', { tokenLabel: 'south' })]);
    const { opened } = await process.until(({ opened }) => opened !== undefined, 'opened');
    expect(opened).toMatchObject([{ state: 'resting', reason: { code: 'FAULT_HSM_LOST' } }]);
    expect(opened?.[0]?.reason?.message).toContain('south');
  });

  it('is refused with a module that cannot be loaded', async () => {
    const { fault, message } = await opening({ moduleFile: '/no/such/module.so' });
    expect([fault, message]).toEqual([
      'CONFIG_INVALID',
      'the PKCS#11 module /no/such/module.so cannot be loaded',
    ]);
  });

  it('has a process whose core files hold no memory', async () => {
    const process = fixture.start();
    await process.until(({ opened }) => opened !== undefined, 'opened');
    const filter = readFileSync(`/proc/${String(process.pid)}/coredump_filter`, 'utf8');
    expect(Number.parseInt(filter, 16)).toBe(0);
  });
});
