import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { verify, X509Certificate } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { pemEncode, RevokedEntries, walkCertificateList } from '@certmill/der';
import type { CertmillError, StatusAddresses } from '@certmill/domain';
import type { CrlToSign } from '@certmill/ports';
import {
  anIssuer,
  asSigningIssuer,
  type IssuerKeyType,
  type TestIssuer,
} from '../testing/an-issuer.js';
import { toldSlotModule } from '../testing/told-slot.js';
import { openSigningPools, type SigningPools } from './open-signing-pools.js';

const thisUpdateMs = Date.UTC(2026, 5, 1, 12);
const status: StatusAddresses = { baseUri: 'http://pki.example', crlShards: 8 };
const opened: SigningPools[] = [];
const folders: string[] = [];

function testIssuer(keyType?: IssuerKeyType): TestIssuer {
  const issuer = anIssuer(keyType);
  folders.push(issuer.directory);
  return issuer;
}

async function open(
  issuer: TestIssuer,
  options: { readonly status?: StatusAddresses; readonly slotModules?: readonly string[] } = {},
): Promise<SigningPools> {
  const pools = await openSigningPools({
    openTimeoutMs: 60_000,
    issuers: [
      {
        ...asSigningIssuer(issuer, options.slotModules),
        ...(options.status === undefined ? {} : { status: options.status }),
      },
    ],
    profiles: () => undefined,
    serialKeys: [],
    threadsPerSlot: 1,
    lanes: ['bulk'],
  });
  opened.push(pools);
  return pools;
}

function serial(last: number): Uint8Array {
  const octets = new Uint8Array(20).fill(1);
  octets[19] = last;
  return octets;
}

function entriesOf(...serials: readonly Uint8Array[]): RevokedEntries {
  const entries = RevokedEntries.empty();
  for (const serialNumber of serials) {
    entries.add({ serialNumber, revocationSeconds: thisUpdateMs / 1_000 - 60, reason: 1 });
  }
  return entries;
}

function aCrl(changes: Partial<CrlToSign> = {}): CrlToSign {
  return {
    scope: { issuer: 'device-ca', shard: 3 },
    crlNumber: 1_000n,
    thisUpdateMs,
    nextUpdateMs: thisUpdateMs + 86_400_000,
    hasDeltas: true,
    entries: entriesOf(serial(5), serial(9)).bytes,
    ...changes,
  };
}

function opensslText(issuer: TestIssuer, der: Uint8Array): string {
  const file = join(issuer.directory, 'list.crl');
  const caFile = join(issuer.directory, 'ca.pem');
  writeFileSync(file, der);
  writeFileSync(caFile, pemEncode('CERTIFICATE', issuer.certificateDer));
  return execFileSync(
    'openssl',
    ['crl', '-inform', 'DER', '-in', file, '-CAfile', caFile, '-text', '-noout'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
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

/** Needs openssl on the PATH. */
describe('a CRL that a slot signs', () => {
  // The openssl of most machines knows no ML-DSA.
  it.each<IssuerKeyType>(['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'])(
    'signs with an issuer key of type %s, which node:crypto and @peculiar/x509 verify',
    async (keyType) => {
      const issuer = testIssuer(keyType);
      const { der } = await (await open(issuer, { status })).signCrl(aCrl());
      const list = walkCertificateList(der);
      const { publicKey } = new X509Certificate(issuer.certificateDer);
      const tbs = der.subarray(list.tbsCertListStart, list.tbsCertListEnd);
      const signature = der.subarray(list.signatureStart, list.signatureEnd);
      expect(verify(null, tbs, publicKey, signature)).toBe(true);
      const parsed = new x509.X509Crl(Uint8Array.from(der));
      const ca = new x509.X509Certificate(Uint8Array.from(issuer.certificateDer));
      expect(await parsed.verify({ publicKey: ca.publicKey })).toBe(true);
      expect(parsed.entries).toHaveLength(2);
    },
  );

  it.each<IssuerKeyType>(['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'])(
    'verifies with an issuer key of type %s',
    async (keyType) => {
      const issuer = testIssuer(keyType);
      const { der, slot } = await (
        await open(issuer)
      ).signCrl(aCrl({ scope: { issuer: 'device-ca', shard: 0 } }));
      expect(slot).toBe('slot-0');
      expect(opensslText(issuer, der)).not.toContain('Issuing Distribution Point');
      const ca = new x509.X509Certificate(issuer.certificateDer);
      await expect(
        new x509.X509Crl(der as Uint8Array<ArrayBuffer>).verify({ publicKey: ca.publicKey }),
      ).resolves.toBe(true);
    },
  );

  it('of a shard names the URI that its certificates name, and where its deltas are', async () => {
    const { der } = await (await open(deviceCa, { status })).signCrl(aCrl());
    const text = opensslText(deviceCa, der);
    expect(text).toMatch(/Issuing Distribution Point: critical/);
    expect(text).toContain('URI:http://pki.example/crl/device-ca/3.crl');
    expect(text).toContain('Only User Certificates');
    expect(text).toContain('URI:http://pki.example/crl/device-ca/3.delta.crl');
    expect(text).toMatch(/CRL Number: \n\s+1000/);
    expect(text.match(/Serial Number: /g)).toHaveLength(2);
  });

  it('is a delta with the scope of its base, and has no freshestCRL', async () => {
    const { der } = await (await open(deviceCa, { status })).signCrl(aCrl({ baseCrlNumber: 999n }));
    const text = opensslText(deviceCa, der);
    expect(text).toMatch(/Delta CRL Indicator: critical\n\s+999/);
    expect(text).toContain('URI:http://pki.example/crl/device-ca/3.crl');
    expect(text).not.toContain('Freshest CRL');
  });

  const removed = RevokedEntries.empty();
  removed.add({ serialNumber: serial(1), revocationSeconds: 1, reason: 8 });
  const toCome = RevokedEntries.empty();
  toCome.add({ serialNumber: serial(1), revocationSeconds: thisUpdateMs / 1_000 + 1, reason: 1 });

  it.each<[string, Partial<CrlToSign>, RegExp]>([
    ['a shard that the issuer has not', { scope: { issuer: 'device-ca', shard: 8 } }, /8 shards/],
    ['a shard below 0', { scope: { issuer: 'device-ca', shard: -1 } }, /8 shards/],
    ['bytes that are no rows', { entries: new Uint8Array(35) }, /no entries/],
    ['a certificate twice', { entries: entriesOf(serial(1), serial(1)).bytes }, /twice/],
    ['rows out of order', { entries: entriesOf(serial(2), serial(1)).bytes }, /out of order/],
    [
      'a serial number that Certmill did not make',
      { entries: entriesOf(Uint8Array.of(7)).bytes },
      /serial number of others/,
    ],
    ['a revocation that is to come', { entries: toCome.bytes }, /to come/],
    ['removeFromCRL in a full CRL', { entries: removed.bytes }, /removeFromCRL/],
    ['a delta of a later CRL', { baseCrlNumber: 1_000n }, /delta of a later one/],
    ['a time before its issuer', { thisUpdateMs: Date.UTC(2024, 0, 1) }, /issuer's life/],
    ['a time after its issuer', { thisUpdateMs: Date.UTC(2045, 0, 2) }, /issuer's life/],
  ])('is never of %s', async (_, changes, message) => {
    const pools = await open(deviceCa, { status });
    const refusal = (await pools.signCrl(aCrl(changes)).catch((e: unknown) => e)) as CertmillError;
    expect(refusal.code).toBe('FAULT_PROCESSING');
    expect(refusal.message).toMatch(message);
  });

  it('is signed by the next slot where one is lost, and not released where none is left', async () => {
    const files = ['a', 'b'].map((name) => join(deviceCa.directory, `${name}.order`));
    const pools = await open(deviceCa, { status, slotModules: files.map(toldSlotModule) });
    writeFileSync(files[0]!, 'throw');
    const { slot } = await pools.signCrl(aCrl());
    expect(slot).toBe('slot-1');
    writeFileSync(files[1]!, 'throw');
    await expect(pools.signCrl(aCrl())).rejects.toMatchObject({ code: 'FAULT_HSM_LOST' });
  });

  it('is of an issuer that is configured', async () => {
    const pools = await open(deviceCa, { status });
    await expect(
      pools.signCrl(aCrl({ scope: { issuer: 'other-ca', shard: 0 } })),
    ).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
  });
});
