import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { hash, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { requestOfSerialNumber, type CertmillError, type Profile } from '@certmill/domain';
import { canonicalProfile, profileHash } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import type { SignedCertificates } from '@certmill/ports';
import { softwareSlot } from '../slots/software-slot.js';
import {
  aChunk,
  receivedAtMs,
  tlsClient,
  tlsClientHash,
  tlsClientText,
} from '../testing/a-chunk.js';
import {
  anIssuer,
  asSigningIssuer,
  passphrase,
  type IssuerKeyType,
  type TestIssuer,
} from '../testing/an-issuer.js';
import { toldSlotModule } from '../testing/told-slot.js';
import {
  openSigningPools,
  type SigningPools,
  type SigningPoolsOptions,
} from './open-signing-pools.js';
import type { SlotHealth } from './slot-pool.js';

const serialKey = { id: 1, key: Buffer.from('00112233445566778899aabbccddeeff', 'hex') };
const opened: SigningPools[] = [];
const folders: string[] = [];

async function open(options: Partial<SigningPoolsOptions> = {}): Promise<SigningPools> {
  const pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [asSigningIssuer(deviceCa)],
    profiles: (_, hash) => (hash === tlsClientHash ? tlsClientText : undefined),
    serialKeys: [serialKey],
    threadsPerSlot: 1,
    ...options,
  });
  opened.push(pools);
  return pools;
}

function testIssuer(keyType?: IssuerKeyType): TestIssuer {
  const issuer = anIssuer(keyType);
  folders.push(issuer.directory);
  return issuer;
}

/** Two slots whose behaviour a test sets by writing `throw`, `exit`, ... into a file. */
function toldSlots(count = 2): {
  issuer: SigningPoolsOptions['issuers'][0];
  files: readonly string[];
} {
  const { directory } = testIssuer();
  const files = Array.from({ length: count }, (_, i) => join(directory, `slot-${String(i)}.order`));
  return {
    issuer: asSigningIssuer(
      deviceCa,
      files.map((file) => toldSlotModule(file)),
    ),
    files,
  };
}

async function errorOf(work: Promise<unknown>): Promise<CertmillError> {
  try {
    await work;
  } catch (error) {
    return error as CertmillError;
  }
  throw new Error('nothing was thrown');
}

function certificatesOf(signed: SignedCertificates): (Uint8Array | undefined)[] {
  let at = 0;
  return signed.certificateLengths.map((length) => {
    at += length;
    return length === 0 ? undefined : signed.certificatesDer.subarray(at - length, at);
  });
}

function tbsOf(certificate: Uint8Array): Buffer {
  // Certificate and TBSCertificate of these sizes both have a header of four octets.
  return Buffer.from(certificate.subarray(4, 8 + Buffer.from(certificate).readUInt16BE(6)));
}

let deviceCa: TestIssuer;
beforeAll(() => {
  deviceCa = testIssuer();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pools) => pools.stop(1_000)));
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

describe('signing a chunk', () => {
  const rejected = (index: number): number => (index % 5 === 3 ? 5 : 0);

  it('issues what the verdict accepts, and every field is what was to be issued', async () => {
    const { requests, chunk, received, verdict } = aChunk({ count: 256, codes: rejected });
    const signed = await (await open()).sign(received, verdict, 'bulk');
    const certificates = certificatesOf(signed);
    const ca = new x509.X509Certificate(deviceCa.certificateDer);
    const caKey = new X509Certificate(deviceCa.certificateDer).publicKey;
    const serials = new Set<string>();

    expect(signed.certificatesDer.length).toBe(
      signed.certificateLengths.reduce((sum, length) => sum + length, 0),
    );
    certificates.forEach((der, index) => {
      expect(der === undefined).toBe(rejected(index) !== 0);
      if (der === undefined) return;
      const certificate = new x509.X509Certificate(der);
      expect(certificate.subject).toBe(`CN=device-${String(index)}`);
      expect(certificate.issuer).toBe(ca.subject);
      expect(Buffer.from(certificate.publicKey.rawData)).toEqual(requests[index]!.subjectPKInfoDer);
      const notBefore = Math.floor(receivedAtMs / 1_000) - tlsClient.validity.backdateSeconds;
      const { notAfter } = tlsClient.validity;
      expect(certificate.notBefore.getTime()).toBe(notBefore * 1_000);
      expect(certificate.notAfter.getTime()).toBe(
        (notBefore + ('seconds' in notAfter ? notAfter.seconds : 0) - 1) * 1_000,
      );
      const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
      expect(constraints?.ca).toBe(false);
      expect(certificate.getExtension(x509.KeyUsagesExtension)?.usages).toBe(
        x509.KeyUsageFlags.digitalSignature,
      );
      expect(certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(
        ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
      );
      expect(certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId).toHaveLength(40);
      const serial = Buffer.from(certificate.serialNumber, 'hex');
      expect(requestOfSerialNumber(serialKey, serial)).toEqual({ batchId: chunk.batchId, index });
      serials.add(certificate.serialNumber);
      expect(new X509Certificate(der).verify(caKey)).toBe(true);
    });
    expect(serials.size).toBe(certificates.filter((der) => der !== undefined).length);
  });

  it('issues certificates that openssl verifies strictly', async () => {
    const { received, verdict } = aChunk({ count: 2 });
    const signed = await (await open()).sign(received, verdict, 'interactive');
    const folder = testIssuer().directory;
    const pemFile = (name: string, der: Uint8Array): string => {
      const file = join(folder, name);
      writeFileSync(file, new X509Certificate(der).toString());
      return file;
    };
    const ca = pemFile('ca.pem', deviceCa.certificateDer);
    const leaves = certificatesOf(signed).map((der, i) => pemFile(`${String(i)}.pem`, der!));
    const told = execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', ca, ...leaves]);
    expect(told.toString().match(/: OK/g)).toHaveLength(2);
  });

  it.each<IssuerKeyType>([
    'P-256',
    'P-384',
    'P-521',
    'ed25519',
    'ml-dsa-44',
    'ml-dsa-65',
    'ml-dsa-87',
    'rsa',
  ])('signs with an issuer key of type %s', async (keyType) => {
    const issuer = testIssuer(keyType);
    const pools = await open({ issuers: [asSigningIssuer(issuer)] });
    const { received, verdict } = aChunk({ count: 3 });
    const signed = await pools.sign(received, verdict, 'bulk');
    const caKey = new X509Certificate(issuer.certificateDer).publicKey;
    const certificates = certificatesOf(signed);
    expect(certificates.map((der) => new X509Certificate(der!).verify(caKey))).toEqual(
      Array(3).fill(true),
    );
  });

  it('builds the same TBSCertificates on a replay, in other workers and a month later', async () => {
    const module = toldSlotModule(join(testIssuer().directory, 'order'), 30 * 86_400_000);
    const later = { issuers: [asSigningIssuer(deviceCa, [module])] };
    const { received, verdict } = aChunk({ count: 16, codes: rejected });
    const before = certificatesOf(await (await open()).sign(received, verdict, 'bulk'));
    const after = certificatesOf(await (await open(later)).sign(received, verdict, 'interactive'));
    const tbs = (all: typeof before) => all.map((der) => der && tbsOf(der).toString('hex'));
    expect(tbs(after)).toEqual(tbs(before));
    expect(Buffer.concat(before.flatMap((der) => der ?? []))).not.toEqual(
      Buffer.concat(after.flatMap((der) => der ?? [])),
    );
  });

  it('tells a slot module the request and the exact TBSCertificate of each signature', async () => {
    const { issuer, files } = toldSlots(1);
    const { received, verdict, chunk } = aChunk({ count: 8, codes: rejected });
    const signed = await (await open({ issuers: [issuer] })).sign(received, verdict, 'bulk');
    const expected = certificatesOf(signed).flatMap((der, index) =>
      der ? [`${chunk.batchId}/${String(index)} ${hash('sha256', tbsOf(der))} slot-0`] : [],
    );
    expect(readFileSync(`${files[0]!}.signed`, 'utf8').trim().split('\n')).toEqual(expected);
  });
});

describe("sign's own rules", () => {
  const signUnder = async (profile: Profile, parts: Parameters<typeof aChunk>[0] = {}) => {
    const pools = await open({ profiles: () => canonicalProfile(profile) });
    const { received, verdict } = aChunk({
      ...parts,
      received: { profileHash: profileHash(profile), ...parts.received },
    });
    return errorOf(pools.sign(received, verdict, 'bulk'));
  };

  it('refuses a pair of issuer and profile that it is not configured for', async () => {
    const pools = await open();
    for (const pins of [{ issuer: 'other-ca' }, { profileHash: 'ab'.repeat(32) }]) {
      const { received, verdict } = aChunk({ received: pins });
      const error = await errorOf(pools.sign(received, verdict, 'bulk'));
      expect([error.code, error.disposition]).toEqual(['FAULT_PROCESSING', 'dead-letter']);
    }
  });

  it('signs for the tenants of an issuer only, in the worker that holds its key', async () => {
    const { issuer, files } = toldSlots(1);
    const pools = await open({ issuers: [{ ...issuer, tenants: ['acme'] }] });
    const foreign = aChunk({ received: { tenant: 'globex' } });
    for (const lane of ['bulk', 'interactive'] as const) {
      const error = await errorOf(pools.sign(foreign.received, foreign.verdict, lane));
      expect([error.code, error.disposition]).toEqual(['FAULT_PROCESSING', 'dead-letter']);
    }
    expect(existsSync(`${files[0]!}.signed`)).toBe(false);
    expect(pools.health()).toMatchObject([{ state: 'ready', failures: 0 }]);
    const own = aChunk({ count: 3 });
    await pools.sign(own.received, own.verdict, 'bulk');
    expect(readFileSync(`${files[0]!}.signed`, 'utf8').match(/\n/g)).toHaveLength(3);
  });

  it('signs for no tenant where an issuer has an empty list, for all where it has none', async () => {
    const { received, verdict } = aChunk({ received: { tenant: 'globex' } });
    const nobody = await open({ issuers: [{ ...asSigningIssuer(deviceCa), tenants: [] }] });
    expect((await errorOf(nobody.sign(received, verdict, 'bulk'))).code).toBe('FAULT_PROCESSING');
    const signed = await (await open()).sign(received, verdict, 'bulk');
    expect(signed.certificateLengths).toHaveLength(4);
  });

  it('signs for the one order that an issuer was made for, and for no other', async () => {
    const { issuer, files } = toldSlots(1);
    const order = { tenant: 'acme', orderId: 'order-1' };
    const pools = await open({ issuers: [{ ...issuer, order }] });
    for (const pins of [{ orderId: 'order-2' }, { tenant: 'globex' }]) {
      const { received, verdict } = aChunk({ received: pins });
      const error = await errorOf(pools.sign(received, verdict, 'bulk'));
      expect([error.code, error.disposition]).toEqual(['FAULT_PROCESSING', 'dead-letter']);
    }
    expect(existsSync(`${files[0]!}.signed`)).toBe(false);
    const own = aChunk({ count: 3 });
    await pools.sign(own.received, own.verdict, 'bulk');
    expect(readFileSync(`${files[0]!}.signed`, 'utf8').match(/\n/g)).toHaveLength(3);
  });

  it('refuses a profile text that does not have the pinned hash', async () => {
    const other = canonicalProfile(builtInProfiles().get('idevid')!);
    const pools = await open({ profiles: () => other });
    const { received, verdict } = aChunk();
    const error = await errorOf(pools.sign(received, verdict, 'bulk'));
    expect(error.code).toBe('FAULT_STORE_CORRUPT');
  });

  it.each([
    ['keyCertSign', { keyUsage: { bits: ['keyCertSign'] as const, critical: true } }],
    [
      'basicConstraints cA as a custom extension',
      { custom: [{ oid: '2.5.29.19', critical: true, valueDerHex: '30030101ff' }] },
    ],
  ])('never makes a CA: %s', async (_, extensions) => {
    const error = await signUnder({ ...tlsClient, extensions });
    expect([error.code, error.disposition]).toEqual(['FAULT_LINT_FAILED', 'dead-letter']);
  });

  it("never signs past the issuer's life", async () => {
    const late = { receivedAtMs: Date.UTC(2045, 1, 1) };
    expect((await signUnder(tlsClient, { received: late })).code).toBe('FAULT_LINT_FAILED');
  });

  it("ends and begins a certificate within the issuer's life", async () => {
    const pools = await open();
    const ca = new x509.X509Certificate(deviceCa.certificateDer);
    for (const receivedAtMs of [Date.UTC(2024, 0, 1), Date.UTC(2044, 11, 1)]) {
      const { received, verdict } = aChunk({ count: 1, received: { receivedAtMs } });
      const [der] = certificatesOf(await pools.sign(received, verdict, 'bulk'));
      const { notBefore, notAfter } = new x509.X509Certificate(der!);
      expect(notBefore.getTime()).toBeGreaterThanOrEqual(ca.notBefore.getTime());
      expect(notAfter.getTime()).toBeLessThanOrEqual(ca.notAfter.getTime());
    }
  });

  it('holds the size limit against the longest signature, before anything is signed', async () => {
    const { received, verdict } = aChunk({ count: 1 });
    const signed = await (await open()).sign(received, verdict, 'bulk');
    const longest = Math.max(...signed.certificateLengths) + 2;
    const limited = (maxCertificateBytes: number): Profile => ({
      ...tlsClient,
      maxCertificateBytes,
    });
    expect((await signUnder(limited(longest - 10), { count: 1 })).code).toBe('FAULT_LINT_FAILED');
    await expect(signUnder(limited(longest + 2), { count: 1 })).rejects.toThrow(
      'nothing was thrown',
    );
  });

  it('refuses bytes that are no chunk, and a verdict of another chunk', async () => {
    const pools = await open();
    const { received, verdict } = aChunk({ count: 3 });
    const garbled = await errorOf(pools.sign(received.subarray(0, 90), verdict, 'bulk'));
    expect(garbled.code).toBe('FAULT_EVENT_UNDECODABLE');
    const foreign = await errorOf(pools.sign(received, aChunk({ count: 2 }).verdict, 'bulk'));
    expect(foreign.code).toBe('FAULT_EVENT_UNDECODABLE');
  });
});

describe('slots', () => {
  it.each(['throw', 'exit', 'garbage', 'spin'])(
    'moves the work of a slot that fails (%s) to the other one, and loses nothing',
    async (failure) => {
      const { issuer, files } = toldSlots();
      const pools = await open({ issuers: [issuer], chunkTimeoutMs: 4_000, restMs: 60_000 });
      const chunks = Array.from({ length: 6 }, () => aChunk({ count: 4 }));
      writeFileSync(files[0]!, failure);
      const signed = await Promise.all(
        chunks.map(({ received, verdict }) => pools.sign(received, verdict, 'bulk')),
      );
      expect(new Set(signed.map(({ slot }) => slot))).toEqual(new Set(['slot-1']));
      const caKey = new X509Certificate(deviceCa.certificateDer).publicKey;
      const all = signed.flatMap(certificatesOf);
      expect(all.filter((der) => new X509Certificate(der!).verify(caKey))).toHaveLength(24);
      expect(pools.health().map(({ state }) => state)).toEqual(['resting', 'ready']);
      expect(pools.health()[0]?.reason?.code).toBe('FAULT_HSM_LOST');
    },
  );

  it('calls a slot hung whose thread cannot be ended, once, and uses it again when it has', async () => {
    const { issuer, files } = toldSlots();
    const hung: SlotHealth[] = [];
    const changes: string[] = [];
    let onBack: () => void = () => undefined;
    const isBack = new Promise<void>((resolve) => (onBack = resolve));
    const pools = await open({
      issuers: [issuer],
      chunkTimeoutMs: 4_000,
      restMs: 20,
      onHung: (health) => hung.push(health),
      onSlotChange: ({ slot, state }) => {
        if (slot !== 'slot-0') return;
        changes.push(state);
        if (changes.includes('hung') && state === 'ready') onBack();
      },
    });
    writeFileSync(files[0]!, 'hang');
    const { received, verdict } = aChunk({ count: 1 });
    const signed = await Promise.all([1, 2].map(() => pools.sign(received, verdict, 'bulk')));
    expect(signed.map(({ slot }) => slot)).toEqual(['slot-1', 'slot-1']);
    rmSync(files[0]!);
    await isBack;
    expect(changes).toEqual(['trying', 'ready', 'resting', 'hung', 'resting', 'trying', 'ready']);
    expect(hung).toMatchObject([
      { slot: 'slot-0', state: 'hung', hungThreads: 1, reason: { code: 'FAULT_HSM_LOST' } },
    ]);
    expect(pools.health()).toMatchObject([{ hungThreads: 0 }, { hungThreads: 0 }]);
  });

  it('stops in bounded time although a thread hangs', async () => {
    const { issuer, files } = toldSlots(1);
    let onHung: () => void = () => undefined;
    const isHung = new Promise<void>((resolve) => (onHung = resolve));
    const pools = await open({ issuers: [issuer], chunkTimeoutMs: 2_000, onHung });
    writeFileSync(files[0]!, 'hang');
    const { received, verdict } = aChunk({ count: 1 });
    expect((await errorOf(pools.sign(received, verdict, 'bulk'))).code).toBe('FAULT_HSM_LOST');
    await isHung;
    const begunMs = performance.now();
    await pools.stop(60_000);
    expect(performance.now() - begunMs).toBeLessThan(30_000);
    expect(pools.health()).toMatchObject([{ state: 'stopped', hungThreads: 1 }]);
  });

  it('tells what each slot was used for', async () => {
    const pools = await open({ threadsPerSlot: 2 });
    const { received, verdict } = aChunk({ count: 5, codes: (index) => (index === 1 ? 5 : 0) });
    for (let i = 0; i < 3; i++) await pools.sign(received, verdict, 'bulk');
    const [health] = pools.health();
    expect(health).toMatchObject({ sessions: 3, signedChunks: 3, failures: 0 });
    expect(health?.usage).toMatchObject({ signatures: 12, repairs: 0 });
    expect(health?.usage.latency.counts.reduce((sum, count) => sum + count, 0)).toBe(12);
    expect(health?.usage.busySeconds).toBeGreaterThan(health?.usage.latency.sumSeconds ?? Infinity);
  });

  it('says FAULT_HSM_LOST when none is left, and goes on when one is back', async () => {
    const { issuer, files } = toldSlots(1);
    const changes: string[] = [];
    let onReady: () => void = () => undefined;
    const isBack = new Promise<void>((resolve) => (onReady = resolve));
    const pools = await open({
      issuers: [issuer],
      restMs: 50,
      onSlotChange: ({ state }: SlotHealth) => {
        changes.push(state);
        if (changes.includes('resting') && state === 'ready') onReady();
      },
    });
    const { received, verdict } = aChunk({ count: 2 });
    writeFileSync(files[0]!, 'throw');
    const error = await errorOf(pools.sign(received, verdict, 'bulk'));
    expect([error.code, error.disposition]).toEqual(['FAULT_HSM_LOST', 'retry']);
    rmSync(files[0]!);
    await isBack;
    expect((await pools.sign(received, verdict, 'bulk')).certificateLengths).toHaveLength(2);
    expect(changes).toEqual(['trying', 'ready', 'resting', 'trying', 'ready']);
  });

  it('starts without a slot that cannot be reached, and signs with the others', async () => {
    const lost = {
      name: 'hsm',
      place: { id: 'hsm', name: 'hsm' },
      signerModule: new URL('./no-such-signer.js', import.meta.url).href,
      settings: { token: 'factory-7' },
    };
    const issuer = asSigningIssuer(deviceCa);
    const pools = await open({ issuers: [{ ...issuer, slots: [lost, ...issuer.slots] }] });
    expect(pools.health()).toMatchObject([
      { slot: 'hsm', reason: { code: 'FAULT_HSM_LOST' } },
      { slot: 'slot-0', state: 'ready' },
    ]);
    const { received, verdict } = aChunk({ count: 1 });
    expect((await pools.sign(received, verdict, 'bulk')).slot).toBe('slot-0');
  });

  it('waits longer for keys in files than for a module: a full machine is no fault of theirs', async () => {
    const issuer = asSigningIssuer(deviceCa);
    const { keyFile, passphraseFile } = deviceCa;
    const file = softwareSlot({ name: 'file', keyFile, passphrase: { file: passphraseFile } });
    const { received, verdict } = aChunk({ count: 1 });
    // No thread begins in a millisecond.
    const own = await open({ issuers: [{ ...issuer, slots: [file] }], openTimeoutMs: 1 });
    expect((await own.sign(received, verdict, 'bulk')).slot).toBe('file');
    const away = { ...file, place: { id: 'hsm', name: 'hsm' } };
    const foreign = await open({ issuers: [{ ...issuer, slots: [away] }], openTimeoutMs: 1 });
    expect(await errorOf(foreign.sign(received, verdict, 'bulk'))).toMatchObject({
      code: 'FAULT_HSM_LOST',
      message: 'no slot of issuer device-ca can be used now: slot hsm took too long',
    });
  });

  it('tries again later when the only slot comes back with another key', async () => {
    const { issuer, files } = toldSlots(1);
    const keyFile = join(testIssuer().directory, 'swapped.pem');
    const encrypted = readFileSync(deviceCa.keyFile);
    writeFileSync(keyFile, encrypted);
    let onRefused: () => void = () => undefined;
    const isRefused = new Promise<void>((resolve) => (onRefused = resolve));
    const pools = await open({
      issuers: [
        {
          ...issuer,
          slots: issuer.slots.map((slot) => ({ ...slot, settings: { ...slot.settings, keyFile } })),
        },
      ],
      restMs: 20,
      onKeyChange: ({ state }) => {
        if (state === 'refused') onRefused();
      },
    });
    writeFileSync(keyFile, readFileSync(testIssuer().keyFile));
    writeFileSync(files[0]!, 'throw');
    const { received, verdict } = aChunk({ count: 1 });
    await errorOf(pools.sign(received, verdict, 'bulk'));
    await isRefused;
    const error = await errorOf(pools.sign(received, verdict, 'bulk'));
    // Not a halt: it is of one issuer, and its chunks are tried again.
    expect([error.code, error.disposition]).toEqual(['FAULT_HSM_REFUSED', 'retry']);
    expect(error.message).toContain('holds another key');
    expect(pools.issuersOut()).toEqual(['device-ca']);
  });

  it('gives up on a chunk that workers die of', async () => {
    const { issuer, files } = toldSlots(1);
    let onReady: () => void = () => undefined;
    const pools = await open({
      issuers: [issuer],
      restMs: 20,
      onSlotChange: ({ state }) => state === 'ready' && onReady(),
    });
    const { received, verdict } = aChunk({ count: 1 });
    writeFileSync(files[0]!, 'exit');
    const codes: string[] = [];
    for (let i = 0; i < 3; i++) {
      const isReady = new Promise<void>((resolve) => (onReady = resolve));
      codes.push((await errorOf(pools.sign(received, verdict, 'bulk'))).code);
      await isReady;
    }
    expect(codes).toEqual(['FAULT_HSM_LOST', 'FAULT_HSM_LOST', 'FAULT_PROCESSING']);
  });

  it('refuses more than its queues hold with FAULT_OVERLOADED, and finishes what it took', async () => {
    const pools = await open({ maxQueue: 1 });
    const { received, verdict } = aChunk({ count: 64 });
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, () => pools.sign(received, verdict, 'bulk')),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(4);
    for (const { reason } of refused)
      expect((reason as CertmillError).code).toBe('FAULT_OVERLOADED');
  });

  it('signs an interactive chunk while bulk chunks wait', async () => {
    const pools = await open();
    const bulk = aChunk({ count: 256 });
    const single = aChunk({ count: 1 });
    let bulkDone = 0;
    const running = Array.from({ length: 20 }, async () => {
      await pools.sign(bulk.received, bulk.verdict, 'bulk');
      bulkDone++;
    });
    await pools.sign(single.received, single.verdict, 'interactive');
    expect(bulkDone).toBeLessThan(10);
    await Promise.all(running);
  });

  it('ends what waits when it is stopped, and takes nothing more', async () => {
    const pools = await open();
    const { received, verdict } = aChunk({ count: 64 });
    const taken = Array.from({ length: 4 }, () => pools.sign(received, verdict, 'bulk'));
    const settled = Promise.allSettled(taken);
    while (pools.health()[0]?.outstanding !== 4) await new Promise(setImmediate);
    await pools.stop(5_000);
    const states = (await settled).map((result) =>
      result.status === 'fulfilled' ? 'signed' : (result.reason as CertmillError).code,
    );
    expect(states[0]).toBe('signed');
    expect(states.slice(1)).toEqual(Array(3).fill('FAULT_STOPPING'));
    expect((await errorOf(pools.sign(received, verdict, 'bulk'))).code).toBe('FAULT_STOPPING');
  });
});

describe('opening', () => {
  const secretsOf = ({ privateKey }: TestIssuer): string[] => {
    const { d = '' } = privateKey.export({ format: 'jwk' });
    const der = Buffer.from(d, 'base64url');
    return [passphrase, d, der.toString('hex'), der.toString('base64')];
  };

  function everythingIn(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    const own = Object.getOwnPropertyNames(error).map(
      (name) => `${name}=${String(Reflect.get(error, name))}`,
    );
    return `${own.join('\n')}\n${error.cause === undefined ? '' : everythingIn(error.cause)}`;
  }

  const attempts: readonly (readonly [
    string,
    string,
    (at: string) => SigningPoolsOptions['issuers'][0],
  ])[] = [
    [
      'a wrong passphrase',
      'CONFIG_INVALID',
      (folder) => {
        const file = join(folder, 'wrong');
        writeFileSync(file, 'not the passphrase 4417');
        const slot = softwareSlot({ name: 's', keyFile: deviceCa.keyFile, passphrase: { file } });
        return { ...asSigningIssuer(deviceCa), slots: [slot] };
      },
    ],
    [
      'a passphrase variable that is not set',
      'CONFIG_INVALID',
      () => {
        const source = { environment: 'CERTMILL_TEST_UNSET_PASSPHRASE' };
        const slot = softwareSlot({ name: 's', keyFile: deviceCa.keyFile, passphrase: source });
        return { ...asSigningIssuer(deviceCa), slots: [slot] };
      },
    ],
    [
      'a key that is not encrypted',
      'CONFIG_INVALID',
      (folder) => {
        const keyFile = join(folder, 'plain.pem');
        writeFileSync(keyFile, deviceCa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
        const source = { file: deviceCa.passphraseFile };
        return {
          ...asSigningIssuer(deviceCa),
          slots: [softwareSlot({ name: 's', keyFile, passphrase: source })],
        };
      },
    ],
    [
      "another issuer's key",
      'FAULT_KEY_MISMATCH',
      () => ({ ...asSigningIssuer(deviceCa), slots: asSigningIssuer(testIssuer()).slots }),
    ],
    [
      'a certificate that is not of a CA',
      'CONFIG_INVALID',
      () => ({ ...asSigningIssuer(deviceCa), chainDer: [Buffer.from('3003020101', 'hex')] }),
    ],
  ];

  it.each(attempts)('refuses %s with %s, and without secrets', async (_, code, issuerIn) => {
    const issuer = issuerIn(testIssuer().directory);
    const error = await errorOf(open({ issuers: [issuer] }));
    expect(error.code).toBe(code);
    const text = everythingIn(error);
    for (const secret of [...secretsOf(deviceCa), 'not the passphrase 4417']) {
      expect(text).not.toContain(secret);
    }
  });

  it('takes the passphrase from the environment', async () => {
    process.env['CERTMILL_TEST_PASSPHRASE'] = passphrase;
    const source = { environment: 'CERTMILL_TEST_PASSPHRASE' };
    const slot = softwareSlot({ name: 's', keyFile: deviceCa.keyFile, passphrase: source });
    const pools = await open({ issuers: [{ ...asSigningIssuer(deviceCa), slots: [slot] }] });
    expect(pools.health()).toMatchObject([{ slot: 'software', state: 'ready' }]);
    delete process.env['CERTMILL_TEST_PASSPHRASE'];
  });

  it('leaves no decrypted key behind on disk', () => {
    expect(existsSync(deviceCa.keyFile)).toBe(true);
    expect(readFileSync(deviceCa.keyFile, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  });
});
