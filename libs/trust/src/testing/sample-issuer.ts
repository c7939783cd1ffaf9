import {
  attributeTypeAndValue,
  compileTemplate,
  oids,
  rdnSequence,
  relativeDistinguishedName,
} from '@certmill/der';
import type { SampleIssuer } from '../admission/sample-certificates.js';

/** The moment that tests issue at. */
export const sampleNowMs = Date.UTC(2026, 10, 20, 12);

/** An issuer without a key: samples are signed with throw-away ones. Bad profiles name its key id. */
export function aSampleIssuer(overrides: Partial<SampleIssuer> = {}): SampleIssuer {
  return {
    name: 'devices',
    subjectDer: nameDer('Example issuing CA'),
    keyIdentifier: Buffer.from('0102030405060708090001020304050607080900', 'hex'),
    keyType: 'ec-p256',
    signatureAlgorithm: 'ecdsa-sha256',
    notBeforeMs: Date.UTC(2026, 0, 1),
    notAfterMs: Date.UTC(9999, 11, 31, 23, 59, 59),
    ...overrides,
  };
}

function nameDer(commonName: string): Uint8Array {
  const name = compileTemplate(
    rdnSequence(
      relativeDistinguishedName(
        attributeTypeAndValue(oids.id_at_commonName, 'utf8String', commonName),
      ),
    ),
  );
  const out = new Uint8Array(256);
  return out.slice(name.write(out, out.length, name.createValues()));
}
