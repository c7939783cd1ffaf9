import 'reflect-metadata';

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CertificateList, IssuingDistributionPoint } from '@peculiar/asn1-x509';
import { AsnConvert } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/x509';

import { signatureAlgorithmDer } from '../keys/algorithms.js';
import type { CrlExtensions } from './crl-extensions.js';
import { encodeCertificateList, writeTbsCertList } from './encode-certificate-list.js';
import { encodeCommonName } from '../requests/encode-certification-request.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { RevokedEntries, type RevokedEntry } from './revoked-entries.js';
import { hexOf } from '../testing/x509-oracle.js';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyIdentifier = Buffer.from('00112233445566778899aabbccddeeff00112233', 'hex');
const thisUpdate = Date.UTC(2026, 0, 2, 3, 4, 5) / 1_000;

function aList(
  entries: readonly RevokedEntry[],
  extensions: Partial<CrlExtensions> = {},
  times: { readonly thisUpdateSeconds?: number; readonly nextUpdateSeconds?: number } = {},
): Uint8Array {
  const packed = RevokedEntries.empty();
  for (const entry of entries) packed.add(entry);
  return encodeCertificateList({
    signatureAlgorithm: signatureAlgorithmDer('ecdsa-sha256'),
    issuerNameDer: encodeCommonName('Issuer 1'),
    thisUpdateSeconds: thisUpdate,
    nextUpdateSeconds: thisUpdate + 86_400,
    ...times,
    entries: packed,
    extensions: { authorityKeyIdentifier: keyIdentifier, crlNumber: 42n, ...extensions },
    maxSignatureOctets: 72,
    sign: (tbs) => sign('sha256', tbs, key.privateKey),
  });
}

function serial(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

const full: readonly RevokedEntry[] = [
  { serialNumber: serial('01'), revocationSeconds: thisUpdate - 60, reason: 0 },
  { serialNumber: serial('80'), revocationSeconds: thisUpdate - 50, reason: 1 },
  {
    serialNumber: serial('7f'.repeat(20)),
    revocationSeconds: Date.UTC(2055, 5, 6, 7, 8, 9) / 1_000,
    reason: 6,
    invaliditySeconds: thisUpdate - 86_400,
  },
  { serialNumber: serial('000000c0ffee'), revocationSeconds: thisUpdate, reason: 10 },
];

/** Needs openssl on the PATH. */
describe('a CertificateList', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-crl-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function opensslText(der: Uint8Array): string {
    const file = join(folder, 'list.crl');
    writeFileSync(file, der);
    return execFileSync('openssl', ['crl', '-inform', 'DER', '-in', file, '-noout', '-text'], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    });
  }

  test('is read by @peculiar with every entry, and is DER: written again it is the same', () => {
    const der = aList(full);
    const crl = new x509.X509Crl(der);
    expect(crl.issuer).toBe('CN=Issuer 1');
    expect(crl.thisUpdate.getTime()).toBe(thisUpdate * 1_000);
    expect(crl.nextUpdate?.getTime()).toBe((thisUpdate + 86_400) * 1_000);
    expect(
      crl.entries.map((entry) => [
        entry.serialNumber,
        entry.revocationDate.getTime() / 1_000,
        entry.reason ?? 0,
        entry.invalidity === undefined ? undefined : entry.invalidity.getTime() / 1_000,
      ]),
    ).toEqual([
      ['01', thisUpdate - 60, 0, undefined],
      ['80', thisUpdate - 50, 1, undefined],
      ['7f'.repeat(20), Date.UTC(2055, 5, 6, 7, 8, 9) / 1_000, 6, thisUpdate - 86_400],
      ['c0ffee', thisUpdate, 10, undefined],
    ]);
    expect(hexOf(AsnConvert.serialize(AsnConvert.parse(der, CertificateList)))).toBe(hexOf(der));
  });

  test('its signature is over the TBSCertList as it stands there', () => {
    const list = AsnConvert.parse(aList(full), CertificateList);
    const tbs = Buffer.from(list.tbsCertListRaw ?? AsnConvert.serialize(list.tbsCertList));
    expect(verify('sha256', tbs, key.publicKey, Buffer.from(list.signature))).toBe(true);
  });

  test('of a shard is shown by openssl and GnuTLS with its critical IssuingDistributionPoint', () => {
    const der = aList(full, {
      issuingDistributionPoint: {
        fullName: 'http://pki.example/crl/a/7.crl',
        onlyContains: 'userCerts',
      },
      freshestCrl: 'http://pki.example/crl/a/7.delta.crl',
    });
    const text = opensslText(der);
    expect(text).toContain('Version 2 (0x1)');
    expect(text).toMatch(/X509v3 Issuing Distribution Point: critical\s+Full Name:/);
    expect(text).toContain('URI:http://pki.example/crl/a/7.crl');
    expect(text).toContain('Only User Certificates');
    expect(text).toMatch(/X509v3 CRL Number: \n\s+42\n/);
    expect(text).toMatch(/X509v3 Freshest CRL: \n\s+Full Name:\n\s+URI:\S+7\.delta\.crl/);
    expect(text).toContain('Serial Number: 7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F7F');
    expect(text).toContain('Revocation Date: Jun  6 07:08:09 2055 GMT');
    expect(text).toMatch(/Invalidity Date: \n\s+Jan  1 03:04:05 2026 GMT/);
    expect(text).toContain('Certificate Hold');
    expect(text.match(/X509v3 CRL Reason Code/g)).toHaveLength(3);
  });

  test('of CA certificates says so, and only so', () => {
    const der = aList([], {
      issuingDistributionPoint: { fullName: 'http://a/b.crl', onlyContains: 'cACerts' },
    });
    const { tbsCertList } = AsnConvert.parse(der, CertificateList);
    const point = AsnConvert.parse(
      tbsCertList.crlExtensions!.find(({ extnID }) => extnID === '2.5.29.28')!.extnValue,
      IssuingDistributionPoint,
    );
    expect(point).toMatchObject({ onlyContainsCACerts: true, onlyContainsUserCerts: false });
  });

  test('without entries has no revokedCertificates (RFC 5280 5.1.2.6)', () => {
    const text = opensslText(aList([]));
    expect(text).toContain('No Revoked Certificates.');
    expect(AsnConvert.parse(aList([]), CertificateList).tbsCertList.revokedCertificates).toBe(
      undefined,
    );
  });

  test('that is a delta has its base in a critical deltaCRLIndicator', () => {
    const text = opensslText(aList(full, { crlNumber: 43n, baseCrlNumber: 42n }));
    expect(text).toMatch(/X509v3 Delta CRL Indicator: critical\n\s+42\n/);
  });

  test('has its times as GeneralizedTime from 2050 on', () => {
    const text = opensslText(aList([], {}, { nextUpdateSeconds: Date.UTC(2050, 0, 1) / 1_000 }));
    expect(text).toContain('Next Update: Jan  1 00:00:00 2050 GMT');
  });

  test('of 100,000 entries is of the size that was computed, and openssl counts them', () => {
    const entries = RevokedEntries.empty();
    const serialNumber = new Uint8Array(20);
    const view = new DataView(serialNumber.buffer);
    for (let index = 0; index < 100_000; index += 1) {
      serialNumber[0] = 1;
      view.setUint32(16, index);
      entries.add({ serialNumber, revocationSeconds: thisUpdate - index, reason: index % 7 });
    }
    expect(entries.isAscending()).toBe(true);
    const fields = {
      signatureAlgorithm: signatureAlgorithmDer('ecdsa-sha256'),
      issuerNameDer: encodeCommonName('Issuer 1'),
      thisUpdateSeconds: thisUpdate,
      nextUpdateSeconds: thisUpdate + 1,
      entries,
      extensions: { authorityKeyIdentifier: keyIdentifier, crlNumber: 1n },
    };
    const { out, start, end } = writeTbsCertList(fields, 100);
    expect([start, out.length - end]).toEqual([8, 100]);
    const der = encodeCertificateList({
      ...fields,
      maxSignatureOctets: 72,
      sign: (tbs) => sign('sha256', tbs, key.privateKey),
    });
    const file = join(folder, 'large.crl');
    writeFileSync(file, der);
    const text = execFileSync('openssl', ['crl', '-inform', 'DER', '-in', file, '-text'], {
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    expect(text.match(/Serial Number:/g)).toHaveLength(100_000);
  });

  test.each<[string, () => unknown]>([
    ['nextUpdate before thisUpdate', () => aList([], {}, { nextUpdateSeconds: thisUpdate })],
    [
      'a delta with a freshestCRL',
      () => aList([], { baseCrlNumber: 1n, freshestCrl: 'http://a/b' }),
    ],
    ['a number of 21 octets', () => aList([], { crlNumber: 1n << 159n })],
    ['a negative number', () => aList([], { crlNumber: -1n })],
    [
      'a URI with a space',
      () => aList([], { issuingDistributionPoint: { fullName: 'http://a b' } }),
    ],
    ['an entry of no serial number', () => aList([{ ...full[0]!, serialNumber: serial('') }])],
    ['an entry of serial number 0', () => aList([{ ...full[0]!, serialNumber: serial('0000') }])],
    [
      'a serial number that is no positive INTEGER of 20 octets',
      () => aList([{ ...full[0]!, serialNumber: serial('80'.repeat(20)) }]),
    ],
    ['reason 7, which is not used', () => aList([{ ...full[0]!, reason: 7 }])],
    ['reason 11', () => aList([{ ...full[0]!, reason: 11 }])],
    ['a time of half a second', () => aList([{ ...full[0]!, revocationSeconds: 0.5 }])],
    ['a time before 1970', () => aList([{ ...full[0]!, invaliditySeconds: -2 }])],
  ])('is not made of %s', (_name, make) => {
    expect(make).toThrow(CertmillDerError);
  });
});

describe('RevokedEntries', () => {
  function packed(...serials: readonly string[]): RevokedEntries {
    const entries = RevokedEntries.empty();
    for (const hex of serials) {
      entries.add({ serialNumber: serial(hex), revocationSeconds: 5, reason: 4 });
    }
    return entries;
  }

  test('are the same in another thread', () => {
    const entries = packed('01', '02');
    const read = RevokedEntries.of(structuredClone(entries.bytes));
    expect(read.length).toBe(2);
    expect(hexOf(read.bytes)).toBe(hexOf(entries.bytes));
    expect([read.reason(1), read.revocationSeconds(1), read.invaliditySeconds(1)]).toEqual([
      4, 5, -1,
    ]);
  });

  test('tell whether one is twice or out of order', () => {
    expect(packed('01', '02', '0301').isAscending()).toBe(true);
    expect(packed('01', '01').isAscending()).toBe(false);
    expect(packed('02', '01').isAscending()).toBe(false);
    expect(packed().isAscending()).toBe(true);
  });

  test('are refused where the bytes are none', () => {
    const { bytes } = packed('01');
    expect(() => RevokedEntries.of(bytes.subarray(1))).toThrow(CertmillDerError);
    const forged = Uint8Array.from(bytes);
    forged[0] = 21;
    expect(() => RevokedEntries.of(forged)).toThrow(CertmillDerError);
    forged[0] = 0;
    expect(() => RevokedEntries.of(forged)).toThrow(CertmillDerError);
  });
});
