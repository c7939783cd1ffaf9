import 'reflect-metadata';

import { ContentInfo, SignedData } from '@peculiar/asn1-cms';
import { AsnConvert } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/x509';

import { certsOnlyEnvelope } from './certs-only.js';
import { concatBytes } from '../encoding/der-encode.js';
import { DerReader } from '../encoding/der-reader.js';
import { hexOf } from '../testing/x509-oracle.js';
import { tags } from '../encoding/tags.js';

async function aCertificate(name: string): Promise<Uint8Array> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
  });
  return new Uint8Array(certificate.rawData);
}

describe('certsOnlyEnvelope', () => {
  test('around nothing has these exact bytes', () => {
    const { header, trailer } = certsOnlyEnvelope(0);
    expect(hexOf(concatBytes([header, trailer]))).toBe(
      '3025' +
        '06092a864886f70d010702' +
        'a018' +
        '3016' +
        '020101' +
        '3100' +
        '300b06092a864886f70d010701' +
        'a000' +
        '3100',
    );
  });

  test('around certificates is a SignedData that @peculiar reads, in their order', async () => {
    const certificates = [await aCertificate('CN=b'), await aCertificate('CN=a')];
    const body = concatBytes(certificates);
    const { header, trailer } = certsOnlyEnvelope(body.length);
    const der = concatBytes([header, body, trailer]);
    const contentInfo = AsnConvert.parse(der, ContentInfo);
    const signedData = AsnConvert.parse(contentInfo.content, SignedData);
    expect(signedData.version).toBe(1);
    expect(signedData.signerInfos).toHaveLength(0);
    const read = new x509.X509Certificates(der);
    expect(read.map((certificate) => hexOf(certificate.rawData)).sort()).toEqual(
      certificates.map(hexOf).sort(),
    );
  });

  test.each([127, 128, 65_500, 1_000_000, 2 ** 31, 2 ** 40])(
    'announces %d octets rightly',
    (length) => {
      const { header, trailer } = certsOnlyEnvelope(length);
      // Every length in the header counts what follows it; the first must reach the trailer's end.
      const octets = (header[1] as number) & 0x7f;
      const isShort = (header[1] as number) < 0x80;
      const announced = isShort
        ? (header[1] as number)
        : header.subarray(2, 2 + octets).reduce((value, octet) => value * 256 + octet, 0);
      const headerOctets = isShort ? 2 : 2 + octets;
      expect(announced).toBe(header.length - headerOctets + length + trailer.length);
    },
  );

  test('is DER all through, apart from the order of the certificates', async () => {
    const certificate = await aCertificate('CN=a');
    const { header, trailer } = certsOnlyEnvelope(certificate.length);
    const der = concatBytes([header, certificate, trailer]);
    const reader = new DerReader();
    expect(reader.reset(der, 0, der.length)).toBe(true);
    expect(reader.peek(der.length)).toBe(tags.sequence);
    expect(reader.any(der.length, 1) && reader.close(der.length)).toBe(true);
  });
});
