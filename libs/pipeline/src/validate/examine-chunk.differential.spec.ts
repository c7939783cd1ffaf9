import 'reflect-metadata';
import { hash } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { GeneralNames } from '@peculiar/asn1-x509';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { encodeSequence, oids, tags } from '@certmill/der';
import type { FieldValue, Profile } from '@certmill/domain';
import {
  aCsr,
  aName,
  aProfile,
  attribute,
  ecSigner,
  ed25519Signer,
  examine,
  extension,
  hardwareSan,
  rsaSigner,
} from './testing/a-csr.js';

/** mulberry32: a failing case can be made again. */
function seededRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const optional = (source: Extract<FieldValue, { from: unknown }>['from'][number]): FieldValue => ({
  from: [source],
  required: false,
});
const hwType = '1.3.6.1.4.1.32473.1';
const profile: Profile = aProfile({
  deviceIdFrom: [],
  subject: [
    { type: 'commonName', encoding: 'utf8', value: optional('csr.subject.commonName') },
    { type: 'serialNumber', encoding: 'utf8', value: optional('csr.subject.serialNumber') },
    { type: 'organizationName', encoding: 'utf8', value: optional('csr.subject.organizationName') },
    {
      type: 'organizationalUnitName',
      encoding: 'utf8',
      value: optional('csr.subject.organizationalUnitName'),
    },
  ],
  extensions: {
    subjectAltName: {
      critical: false,
      names: [
        {
          type: 'hardwareModuleName',
          hwType,
          hex: true,
          value: optional('csr.san.hardwareSerialNumber'),
        },
      ],
    },
  },
});
const columns = [
  ['CN', oids.id_at_commonName],
  ['2.5.4.5', oids.id_at_serialNumber],
  ['O', oids.id_at_organizationName],
  ['OU', oids.id_at_organizationalUnitName],
] as const;

const random = seededRandom(20_261_120);
const alphabet = Array.from('abcXYZ0189 -.:/()+=?,');
const wide = [
  ...alphabet,
  '\u00e4',
  '\u00df',
  '\u4e2d',
  '\u{1f600}',
  '"',
  '\\',
  '#',
  '<',
  ';',
  '*',
];

function randomText(from: readonly string[]): string {
  return Array.from({ length: 1 + random(24) }, () => from[random(from.length)] ?? '').join('');
}

function randomAttribute(oid: string): Uint8Array {
  switch (random(4)) {
    case 0:
      return attribute(oid, randomText(alphabet), tags.printableString);
    case 1: {
      const swapped = Buffer.from(randomText(wide.filter((c) => c.length === 1)), 'utf16le');
      return attribute(oid, swapped.swap16(), tags.bmpString);
    }
    default:
      return attribute(oid, randomText(wide));
  }
}

describe('what is taken from 1,000 requests', () => {
  it('is what @peculiar/x509 reads', () => {
    const signers = [ecSigner(), ecSigner('P-384'), ed25519Signer(), rsaSigner(), ecSigner()];
    const requests = Array.from({ length: 1_000 }, (_, index) => {
      const types = columns.map(([, oid]) => oid).filter(() => random(3) > 0);
      const others = [oids.id_at_title, oids.id_at_localityName].filter(() => random(3) === 0);
      const serial = Buffer.from(Array.from({ length: 1 + random(20) }, () => random(256)));
      const san = encodeSequence(hardwareSan(hwType, serial));
      const signer = signers[index % signers.length];
      return aCsr({
        ...(signer === undefined ? {} : { signer }),
        subject: aName(...[...others, ...types].map(randomAttribute)),
        extensions: random(2) === 0 ? [] : [extension(oids.id_ce_subjectAltName, san)],
      });
    });
    for (let start = 0; start < requests.length; start += 250) {
      const part = requests.slice(start, start + 250);
      const { codes, details, udids, csrValues } = examine(part, profile);
      part.forEach((request, index) => {
        expect([codes[index], details[index]]).toEqual([0, '']);
        const oracle = new Pkcs10CertificateRequest(request);
        const key = new Uint8Array(oracle.publicKey.rawData);
        expect(Buffer.from(udids.subarray(index * 32, index * 32 + 32)).toString('hex')).toBe(
          hash('sha256', key, 'hex'),
        );
        const expected = columns.map(([name]) => oracle.subjectName.getField(name)[0]);
        expect(csrValues[index]).toEqual([...expected, oracleSerial(oracle)]);
      });
    }
  });
});

/** hwSerialNum as the oracle sees it, in hex. */
function oracleSerial(request: Pkcs10CertificateRequest): string | undefined {
  const san = request.extensions.find(({ type }) => type === oids.id_ce_subjectAltName);
  if (san === undefined) return undefined;
  const [name] = AsnConvert.parse(san.value, GeneralNames);
  // HardwareModuleName ::= SEQUENCE { hwType OID, hwSerialNum OCTET STRING }: the last element.
  const value = new Uint8Array(name?.otherName?.value ?? new ArrayBuffer(0));
  const typeLength = (value[3] ?? 0) + 4;
  const serial = AsnConvert.parse(value.slice(typeLength), OctetString);
  return Buffer.from(serial.buffer).toString('hex');
}
