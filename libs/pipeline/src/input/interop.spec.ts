import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  encodeCertificationRequest,
  encodeCommonName,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  oids,
  tags,
} from '@certmill/der';
import { type ProfileKey, rejectionCodeOf } from '@certmill/domain';
import { aProfile, ecSigner, examine, extension } from '../validate/testing/a-csr.js';
import { derOf, fixture, interopFolder } from './testing/fixtures.js';
import { readAll } from './testing/read-all.js';

const tools = readdirSync(interopFolder).filter((name) => !name.endsWith('.md'));
const files = tools.flatMap((tool) =>
  readdirSync(join(interopFolder, tool))
    .filter((name) => !name.endsWith('.md'))
    .map((name) => `${tool}/${name}`),
);

test('there are requests of eight tools', () => {
  expect(tools).toHaveLength(8);
  expect(files.length).toBeGreaterThan(120);
});

const keys = ['p256', 'p384', 'p521', 'rsa2048', 'rsa3072', 'rsa4096'];
/** RFC 8410 is not in them. */
const withoutEd25519 = ['mbedtls', 'nss'];

test.each(tools)('%s made a request with each kind of key, and one with extensions', (tool) => {
  const wanted = [...keys, ...(withoutEd25519.includes(tool) ? [] : ['ed25519'])];
  const names = wanted.flatMap((key) => [`${tool}/${key}.pem`, `${tool}/${key}-ext.pem`]);
  expect(files).toEqual(expect.arrayContaining(names));
});

const pemFiles = files.filter((file) => file.endsWith('.pem'));

test.each(pemFiles)('%s is the same with other line ends, labels and text around', async (file) => {
  const pem = fixture(file).toString('latin1').replaceAll('\r\n', '\n');
  const der = derOf(pem);
  const bare = /-----BEGIN[^]+-----END [A-Z ]+-----/.exec(pem)?.[0] ?? '';
  const label = (name: string): string => bare.replaceAll(/(?:NEW )?CERTIFICATE REQUEST/g, name);
  for (const text of [
    bare.replaceAll('\n', '\r\n'),
    `${label('CERTIFICATE REQUEST')}\n`,
    `${label('NEW CERTIFICATE REQUEST')}\n`,
    `Certificate Request:\n    Subject: CN=x\n${bare}\nand more\n`,
    `\n\n${bare}\n\n`,
  ]) {
    const { items } = await readAll(Buffer.from(text, 'latin1'), { fileName: file });
    expect(items.map((item) => Buffer.from(item.der))).toEqual([der]);
  }
});

test('attributes may come in any order', () => {
  const extensions = encodeSequence(
    extension(
      oids.id_ce_keyUsage,
      encodeTlv(tags.bitString, Uint8Array.of(7, 0x80)), // digitalSignature
    ),
  );
  const attributes = [
    encodeSequence(encodeOid(oids.id_extensionRequest), encodeSetOf(extensions)),
    anAttribute(oids.id_challengePassword, 'secret'),
    anAttribute('1.2.840.113549.1.9.2', 'unstructured'),
  ];
  for (const [a, b, c] of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ] as const) {
    const signer = ecSigner();
    const request = encodeCertificationRequest({
      subjectDer: encodeCommonName('device-1'),
      subjectPKInfoDer: signer.spki,
      attributesDer: [a, b, c].map((i) => attributes[i] ?? new Uint8Array()),
      signatureAlgorithmDer: signer.algorithmDer,
      sign: signer.sign,
    });
    const { codes, details } = examine([request], aProfile({}, 'tls-client'));
    expect([codes, details]).toEqual([[0], ['']]);
  }
});

function anAttribute(oid: string, value: string): Uint8Array {
  const text = encodeTlv(tags.utf8String, Buffer.from(value));
  return encodeSequence(encodeOid(oid), encodeSetOf(text));
}

test.each(files)('%s is one request, octet for octet', async (file) => {
  const bytes = fixture(file);
  const der = file.endsWith('.der') ? bytes : derOf(bytes.toString('latin1'));
  const { items } = await readAll(bytes, { fileName: file });
  expect(items.map((item) => [item.rejection, Buffer.from(item.der)])).toEqual([[undefined, der]]);
});

test('all of them in one stream are as many requests', async () => {
  const pems = files.filter((file) => file.endsWith('.pem')).map(fixture);
  const { items } = await readAll(gzipSync(Buffer.concat(pems)), {}, [1000]);
  expect(items.filter((item) => item.rejection === undefined)).toHaveLength(pems.length);
  expect(items).toHaveLength(pems.length);
});

/** Keys that a profile has to name: tls-client as it ships has those that every tool knows. */
const postQuantum: readonly ProfileKey[] = [
  { type: 'ml-dsa-44' },
  { type: 'ml-dsa-65' },
  { type: 'ml-dsa-87' },
];

async function expectJudgedByTlsClient(file: string): Promise<void> {
  const { items } = await readAll(fixture(file));
  const requests = items.map((item) => item.der);
  const keys = file.includes('/ml-dsa') ? { keys: postQuantum } : {};
  const { codes, details, deviceIds } = examine(requests, aProfile(keys, 'tls-client'));
  const isRefused = /-(?:sha1|md5)\./.test(file);
  expect([codes.map(rejectionCodeOf), details]).toEqual(
    isRefused ? [['CSR_SIGALG_FORBIDDEN'], [expect.any(String)]] : [[undefined], ['']],
  );
  const [tool = '', name = ''] = file.split('/');
  if (!isRefused) {
    expect(deviceIds).toEqual([`${tool}-${name.replace('.pem', '').replace('.', '-')}`]);
  }
}

test.each(files)(
  'tls-client accepts %s, with ML-DSA where that is its key, or refuses its SHA-1 or MD5',
  expectJudgedByTlsClient,
);
