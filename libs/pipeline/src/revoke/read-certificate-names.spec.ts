import { execFileSync } from 'node:child_process';
import { nameText, type CertificateName } from './select-certificates.js';
import { readCertificateNames } from './read-certificate-names.js';

const serial = '01'.padEnd(40, 'a');
const udid = '5f'.repeat(32);

async function* stream(text: string, pieceBytes = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
  }
}

const textsOf = (names: readonly CertificateName[]): [string, string][] =>
  names.map((name) => [name.by, nameText(name)]);

describe('names of certificates in a file', () => {
  const all: [string, string][] = [
    ['serialNumber', serial],
    ['udid', udid],
    ['deviceId', 'gateway-1'],
  ];
  test.each([
    ['text', `# stolen\n${serial}\r\n\n${udid}\ngateway-1`],
    [
      'NDJSON',
      `{"serialNumber":"${serial}"}\n{"udid":"${udid}","x":1}\n{"deviceId":"gateway-1"}\n`,
    ],
    ['CSV', `\uFEFFdeviceId,serialNumber,udid\n,${serial},\n,,${udid}\n"gateway-1",,\n`],
  ])('are %s', async (_, text) => {
    expect(textsOf(await readCertificateNames(stream(text)))).toEqual(all);
  });

  test('may have colons between the octets of a number', async () => {
    const colons = serial.match(/../g)?.join(':') ?? '';
    const names = await readCertificateNames(stream(colons.toUpperCase()));
    expect(textsOf(names)).toEqual([['serialNumber', serial]]);
  });

  test('are serial numbers of certificates in PEM, as openssl tells them', async () => {
    const pem = execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', '/dev/null', '-subj', '/CN=x', '-set_serial', `0x${serial}`],
    ]).toString();
    const names = await readCertificateNames(stream(`${pem}gateway-1\n${pem}`));
    expect(textsOf(names)).toEqual([
      ['serialNumber', serial],
      ['deviceId', 'gateway-1'],
    ]);
  });

  test.each([
    ['an object without a name', '{"serial":"1"}', 'line 1'],
    ['what is no JSON', 'a\n{"serialNumber"', 'line 2'],
    ['a number in the place of text', '{"deviceId":7}', 'line 1'],
    ['JSON that is no object', 'a\n{"udid":null}', 'line 2'],
    ['a short serial number', '{"serialNumber":"0102"}', 'line 1'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----', 'line 1'],
    ['PEM without an end', '-----BEGIN CERTIFICATE-----\nMAAA', 'line 1'],
    ['PEM that is none', '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----', 'line 1'],
    ['a line without end', `${'x'.repeat(20_000)}\n`, 'line 1'],
    ['a row without a name', 'deviceId,udid\n,,\n', 'line 2'],
  ])('are refused whole with %s', async (_, text, place) => {
    await expect(readCertificateNames(stream(text, 4_096))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(place) as unknown,
    });
  });

  test('are each named once', async () => {
    const colons = udid.toUpperCase().match(/../g)?.join(':') ?? '';
    const text = `deviceId,udid\na,\nb,\na,\n,${udid}\n,${colons}\n`;
    expect(textsOf(await readCertificateNames(stream(text)))).toEqual([
      ['deviceId', 'a'],
      ['deviceId', 'b'],
      ['udid', udid],
    ]);
  });

  test('are refused where there are too many', async () => {
    await expect(readCertificateNames(stream('a\nb\nc\n'), 2)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
  });
});
