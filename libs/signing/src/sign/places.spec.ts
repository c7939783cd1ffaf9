import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import type { CertmillError } from '@certmill/domain';
import { softwareSlot } from '../slots/software-slot.js';
import { aChunk, tlsClientText } from '../testing/a-chunk.js';
import { anIssuer, type TestIssuer } from '../testing/an-issuer.js';
import { countedOpeningsModule, countOpenings } from '../testing/counted-openings.js';
import { toldSlotModule } from '../testing/told-slot.js';
import type { IssuerSlotHealth } from './issuer-slot.js';
import {
  openSigningPools,
  type SigningPools,
  type SigningPoolsOptions,
} from './open-signing-pools.js';
import type { SigningIssuer } from './signing-issuer.js';

let ca: TestIssuer;
let other: TestIssuer;
let pools: SigningPools | undefined;

beforeAll(() => {
  ca = anIssuer();
  other = anIssuer();
});
afterEach(async () => {
  await pools?.stop(1_000);
});
afterAll(() => {
  for (const { directory } of [ca, other]) rmSync(directory, { recursive: true });
});

async function open(options: Partial<SigningPoolsOptions>): Promise<SigningPools> {
  pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [],
    profiles: () => tlsClientText,
    serialKeys: [{ id: 1, key: Buffer.alloc(16, 1) }],
    threadsPerSlot: 1,
    lanes: ['bulk'],
    ...options,
  });
  return pools;
}

interface Parts {
  readonly name: string;
  readonly of?: TestIssuer;
  readonly keyFile?: string;
  readonly slotModule?: string;
}

/** An issuer of its own name with its key in the one place of keys in files. */
function issuer({ name, of = ca, keyFile = of.keyFile, slotModule }: Parts): SigningIssuer {
  const passphrase = { file: of.passphraseFile };
  const around = slotModule === undefined ? {} : { slotModule };
  return {
    name,
    chainDer: [of.certificateDer],
    slots: [softwareSlot({ name: `${name}-file`, keyFile, passphrase, ...around })],
  };
}

async function sign(name: string): Promise<Uint8Array> {
  const { received, verdict } = aChunk({ count: 1, received: { issuer: name } });
  return (await pools!.sign(received, verdict, 'bulk')).certificatesDer;
}

async function faultOf(name: string): Promise<Pick<CertmillError, 'code' | 'message'>> {
  return sign(name).then(
    () => Promise.reject(new Error(`${name} signed`)),
    (error: unknown) => error as CertmillError,
  );
}

/** Issuers that the pools open at the start, and as many as it takes for `name` not to be one of them. */
function behindOthers(...last: readonly SigningIssuer[]): SigningIssuer[] {
  const first = Array.from({ length: 16 }, (_, i) => issuer({ name: `first-${String(i)}` }));
  return [...first, ...last];
}

describe("one issuer's own fault", () => {
  it('keeps its key out, found at its first chunk, and takes nothing from the others', async () => {
    const wrong = issuer({ name: 'wrong', keyFile: other.keyFile });
    const changes: IssuerSlotHealth[] = [];
    await open({
      issuers: behindOthers(wrong, issuer({ name: 'right' })),
      onKeyChange: (health) => changes.push(health),
    });
    for (let i = 0; i < 2; i++) {
      const { code, message } = await faultOf('wrong');
      expect(code).toBe('FAULT_HSM_REFUSED');
      expect(message).toContain(
        'wrong-file holds another key than the certificate of issuer wrong',
      );
    }
    await sign('right');
    expect(pools!.health()).toMatchObject([{ slot: 'software', state: 'ready', failures: 0 }]);
    expect(pools!.issuersOut()).toEqual(['wrong']);
    expect(changes).toMatchObject([
      { issuer: 'wrong', state: 'refused', reason: { code: 'FAULT_KEY_MISMATCH' } },
    ]);
  });

  it('is told at the start where it is one of the first', async () => {
    const wrong = issuer({ name: 'wrong', keyFile: other.keyFile });
    await expect(open({ issuers: [issuer({ name: 'right' }), wrong] })).rejects.toMatchObject({
      code: 'FAULT_KEY_MISMATCH',
    });
  });

  it('is mended without a restart where its key file is there again', async () => {
    const keyFile = join(ca.directory, 'late.pem');
    await open({ issuers: behindOthers(issuer({ name: 'late', keyFile })), restMs: 20 });
    const { code, message } = await faultOf('late');
    expect(code).toBe('FAULT_HSM_LOST');
    expect(message).toContain('late.pem cannot be read');
    expect(pools!.issuersOut()).toEqual(['late']);
    writeFileSync(keyFile, readFileSync(ca.keyFile));
    const deadline = performance.now() + 10_000;
    while (pools!.issuersOut().length > 0 && performance.now() < deadline) {
      await sign('late').catch(() => new Promise(setImmediate));
    }
    expect(pools!.issuersOut()).toEqual([]);
    expect(pools!.health()).toMatchObject([{ state: 'ready', failures: 0 }]);
  });

  it('is held apart from the place: that is out once nobody in it can sign', async () => {
    const order = join(ca.directory, 'order');
    const bad = issuer({ name: 'bad', slotModule: toldSlotModule(order) });
    const good = issuer({ name: 'good', slotModule: toldSlotModule(`${order}-of-good`) });
    await open({ issuers: [good, bad], restMs: 60_000 });
    writeFileSync(order, 'throw');
    expect((await faultOf('bad')).code).toBe('FAULT_HSM_LOST');
    expect(pools!.issuersOut()).toEqual(['bad']);
    await sign('good');
    expect(pools!.health()).toMatchObject([{ state: 'ready', failures: 0 }]);
    writeFileSync(`${order}-of-good`, 'throw');
    expect((await faultOf('good')).code).toBe('FAULT_HSM_LOST');
    expect(pools!.health()).toMatchObject([{ state: 'resting', failures: 1 }]);
    expect(pools!.issuersOut()).toEqual(['good', 'bad']);
  });
});

describe('many issuers in one place', () => {
  it('open 16 keys at the start, each other one when it is first needed, and hold 256', async () => {
    const file = join(ca.directory, 'openings');
    const slotModule = countedOpeningsModule(file);
    const names = Array.from({ length: 300 }, (_, i) => `issuer-${String(i)}`);
    await open({ issuers: names.map((name) => issuer({ name, slotModule })) });
    expect(countOpenings(file)).toBe(16);
    const openingsOf = (name: string): number =>
      readFileSync(file, 'utf8').split(`${name}-file\n`).length - 1;
    for (const name of names) await sign(name);
    expect(countOpenings(file)).toBe(300);
    await sign('issuer-299');
    expect(openingsOf('issuer-299')).toBe(1);
    await sign('issuer-0');
    expect(openingsOf('issuer-0')).toBe(2);
    expect(pools!.health()).toMatchObject([{ slot: 'software', sessions: 1, failures: 0 }]);
  });
});

describe('issuers of running pools', () => {
  it('can be added, changed and taken away', async () => {
    const issuers = new Map<string, SigningIssuer>();
    await open({ findIssuer: (name) => Promise.resolve(issuers.get(name)) });
    expect((await faultOf('new')).code).toBe('FAULT_PROCESSING');
    expect(pools!.health()).toEqual([]);

    issuers.set('new', issuer({ name: 'new' }));
    const key = new X509Certificate(ca.certificateDer).publicKey;
    const both = await Promise.all([sign('new'), sign('new')]);
    expect(both.map((der) => new X509Certificate(der).verify(key))).toEqual([true, true]);

    issuers.set('new', issuer({ name: 'new', of: other }));
    const otherKey = new X509Certificate(other.certificateDer).publicKey;
    expect(new X509Certificate(await sign('new')).verify(otherKey)).toBe(true);

    issuers.set('new', { ...issuer({ name: 'new' }), tenants: ['globex'] });
    expect((await faultOf('new')).message).toContain('does not sign for tenant acme');

    issuers.delete('new');
    expect((await faultOf('new')).code).toBe('FAULT_PROCESSING');
  });

  it('are refused alone where their configuration is wrong', async () => {
    const broken = { ...issuer({ name: 'broken' }), slots: [] };
    const sound = issuer({ name: 'sound' });
    await open({ findIssuer: (name) => (name === 'broken' ? broken : sound) });
    const { code, message } = await faultOf('broken');
    expect([code, message]).toEqual(['FAULT_HSM_REFUSED', 'issuer broken has no slot']);
    await sign('sound');
  });
});
