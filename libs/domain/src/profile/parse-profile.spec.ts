import { CertmillError } from '../faults.js';
import { parseProfile } from './parse-profile.js';

const good = `name: sensor
version: 3
description: A sensor.
keys: [ec-p256, rsa-2048..3072]
signatureHashes: [sha256]
deviceId:
  from: [csr.subject.commonName]
validity:
  backdate: 5m
  lifetime: 2y
subject:
  - { type: commonName, from: [deviceId] }
  - { type: serialNumber, from: [row.serial], required: false, pattern: '[A-Z0-9]+', maxLength: 20 }
  - { type: organizationName, value: Example }
extensions:
  basicConstraints: { critical: true }
  keyUsage: { bits: [digitalSignature], critical: true }
  extKeyUsage: { purposes: [clientAuth, 1.3.6.1.4.1.32473.9], critical: false }
  subjectAltName:
    critical: false
    names:
      - { type: hardwareModuleName, hwType: 1.3.6.1.4.1.32473.1, from: [row.serial], hex: true }
  subjectKeyIdentifier: rfc7093-sha256
  authorityKeyIdentifier: true
  authorityInfoAccess: { ocsp: ['http://ocsp.example.com'] }
csr:
  otherSubjectAttributes: reject
  ignoredExtensions: [keyUsage, 1.2.3]
maxWait: 12h
`;

function refusalOf(text: string): string {
  try {
    parseProfile(text, 'sensor.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(CertmillError);
    expect((error as CertmillError).code).toBe('PROFILE_INVALID');
    return (error as CertmillError).message;
  }
  throw new Error('the profile was accepted');
}

describe('parseProfile', () => {
  it('reads every part of a profile', () => {
    expect(parseProfile(good, 'sensor.yaml')).toEqual({
      name: 'sensor',
      version: 3,
      description: 'A sensor.',
      keys: [{ type: 'ec-p256' }, { type: 'rsa', minBits: 2_048, maxBits: 3_072 }],
      signatureHashes: ['sha256'],
      deviceIdFrom: ['csr.subject.commonName'],
      validity: { backdateSeconds: 300, notAfter: { seconds: 63_072_000 } },
      subject: [
        {
          type: 'commonName',
          value: { from: ['deviceId'], required: true, maxLength: 64 },
          encoding: 'utf8',
        },
        {
          type: 'serialNumber',
          value: {
            from: ['row.serial'],
            required: false,
            pattern: '[A-Z0-9]+',
            maxLength: 20,
          },
          encoding: 'printable',
        },
        { type: 'organizationName', value: { fixed: 'Example' }, encoding: 'utf8' },
      ],
      extensions: {
        basicConstraints: { ca: false, critical: true },
        keyUsage: { bits: ['digitalSignature'], critical: true },
        extKeyUsage: {
          purposes: ['1.3.6.1.5.5.7.3.2', '1.3.6.1.4.1.32473.9'],
          critical: false,
        },
        subjectAltName: {
          names: [
            {
              type: 'hardwareModuleName',
              hwType: '1.3.6.1.4.1.32473.1',
              value: { from: ['row.serial'], required: true, maxLength: 128 },
              hex: true,
            },
          ],
          critical: false,
        },
        subjectKeyIdentifier: { method: 'rfc7093-sha256' },
        authorityKeyIdentifier: true,
        authorityInfoAccess: { ocsp: ['http://ocsp.example.com'], caIssuers: [] },
      },
      csr: { otherSubjectAttributes: 'reject', ignoredExtensions: ['keyUsage', '1.2.3'] },
      maxWaitSeconds: 43_200,
    });
  });

  it('reads where the status of certificates is told: fixed, or from the issuer', () => {
    const { extensions } = parseProfile(
      good.replace(
        /  authorityInfoAccess:.*\n/,
        '  authorityInfoAccess: issuer\n  crlDistributionPoints: issuer\n',
      ),
      'sensor.yaml',
    );
    expect(extensions.authorityInfoAccess).toEqual({ from: 'issuer' });
    expect(extensions.crlDistributionPoints).toEqual({ from: 'issuer' });
    const uris = ['http://crl.example.com/1.crl'];
    const fixed = parseProfile(
      good.replace(
        /  authorityInfoAccess:.*\n/,
        `  crlDistributionPoints: ${JSON.stringify(uris)}\n`,
      ),
      'sensor.yaml',
    );
    expect(fixed.extensions.crlDistributionPoints).toEqual({ uris });
  });

  it('names every problem with its line, not just the first', () => {
    const message = refusalOf(
      good
        .replace('version: 3', 'version: three')
        .replace('rsa-2048..3072', 'rsa-big')
        .replace('lifetime: 2y', 'lifetime: forever')
        .replace('maxWait: 12h', 'maxWaits: 12h'),
    );
    expect(message.split('\n').map((line) => line.split(': ', 2).join(': '))).toEqual([
      'sensor.yaml:2: version',
      'sensor.yaml:4: keys.1',
      'sensor.yaml:10: validity.lifetime',
      'sensor.yaml:29: profile',
    ]);
    expect(message).toContain("unknown key 'maxWaits'");
  });

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'a key that is unknown',
      (t) => t.replace('keyUsage: {', 'keyUsages: {'),
      /:17: extensions: unknown key 'keyUsages'/,
    ],
    [
      'a key that is missing',
      (t) => t.replace(/^keys.*\n/m, ''),
      /:1: keys: missing, expected array/,
    ],
    [
      'text where a boolean belongs',
      (t) => t.replace('authorityKeyIdentifier: true', 'authorityKeyIdentifier: maybe'),
      /:24: .*expected boolean/,
    ],
    [
      'a CA',
      (t) => t.replace('basicConstraints: { critical', 'basicConstraints: { ca: true, critical'),
      /:16: extensions.basicConstraints.ca/,
    ],
    [
      'status addresses from somebody else',
      (t) => t.replace(/authorityInfoAccess:.*/, 'crlDistributionPoints: order'),
      /:25: extensions.crlDistributionPoints: expected 'issuer' or a list of URIs/,
    ],
    [
      'a source that is unknown',
      (t) => t.replace('row.serial', 'row.color'),
      /:13: subject.1.from.0/,
    ],
    [
      'a value and sources at once',
      (t) => t.replace('value: Example', 'value: Example, from: [deviceId]'),
      /:14: subject.2.from: 'from' contradicts the fixed 'value'/,
    ],
    [
      'neither value nor sources',
      (t) => t.replace(', value: Example', ''),
      /:14: subject.2: expected a fixed 'value' or sources in 'from'/,
    ],
    [
      'a pattern that is none',
      (t) => t.replace("'[A-Z0-9]+'", "'[A-Z'"),
      /:13: subject.1.pattern: not a regular expression of RE2: /,
    ],
    [
      'a pattern with references, which nobody matches in linear time',
      (t) => t.replace("'[A-Z0-9]+'", () => "'([A-Z])\\1'"),
      /:13: subject.1.pattern: not a regular expression of RE2: /,
    ],
    [
      'a pattern that is large, of values that are long',
      (t) => t.replace("'[A-Z0-9]+', maxLength: 20", "'[A-Z]{600}', maxLength: 4000"),
      /:13: subject.1.pattern: the patterns take \d{7} steps .*: this one 60\d for each of 4000 characters/,
    ],
    [
      'both ends of the validity',
      (t) => t.replace('lifetime: 2y', "lifetime: 2y\n  notAfter: '9999-12-31T23:59:59Z'"),
      /:8: validity: expected either/,
    ],
    [
      'a day that is not in the calendar',
      (t) => t.replace('lifetime: 2y', "notAfter: '2031-02-30T00:00:00Z'"),
      /:10: validity.notAfter: no such date/,
    ],
    [
      'a lifetime of nothing',
      (t) => t.replace('lifetime: 2y', 'lifetime: 0s'),
      /:10: validity.lifetime: must be above zero/,
    ],
    ['RSA of 1024 bits', (t) => t.replace('rsa-2048..3072', 'rsa-1024'), /:4: keys.1: RSA sizes/],
    [
      'a range upside down',
      (t) => t.replace('rsa-2048..3072', 'rsa-3072..2048'),
      /:4: keys.1: RSA sizes/,
    ],
    [
      'a key type twice',
      (t) => t.replace('[ec-p256,', '[ec-p256, ec-p256,'),
      /:4: keys: a key type stands twice/,
    ],
    [
      'the device id as its own source',
      (t) => t.replace('[csr.subject.commonName]', '[deviceId]'),
      /:7: deviceId.from.0: the device id is its own source/,
    ],
    [
      'a hardware type elsewhere',
      (t) => t.replace('type: hardwareModuleName', 'type: dNSName'),
      /:22: .*belongs to hardwareModuleName only/,
    ],
    [
      'a hardware name without its type',
      (t) => t.replace('hwType: 1.3.6.1.4.1.32473.1, ', ''),
      /:22: .*needs 'hwType'/,
    ],
    [
      'a name with capitals',
      (t) => t.replace('name: sensor', 'name: Sensor'),
      /:1: name: expected 1-63/,
    ],
    [
      'a purpose by a wrong name',
      (t) => t.replace('clientAuth', 'tlsClient'),
      /:18: .*expected an object identifier/,
    ],
    ['a key that stands twice', (t) => `${t}name: other\n`, /:30: Map keys must be unique/],
    ['YAML that is none', (t) => t.replace('[ec-p256,', '[[ec-p256,'), /sensor.yaml:[0-9]+: /],
    ['nothing at all', () => '', /:1: profile: .*expected object/],
    ['two documents', (t) => `${t}---\n${t}`, /sensor.yaml:[0-9]+: /],
    [
      'an alias',
      (t) => t.replace('name: sensor', 'name: &n sensor').replace('A sensor.', '*n'),
      /aliases/,
    ],
    ['a file that is far too long', (t) => t + '#'.repeat(70_000), /at most 65536 characters/],
  ])('refuses %s', (_, change, message) => {
    expect(refusalOf(change(good))).toMatch(message);
  });

  it('reads a file with CRLF line ends the same', () => {
    expect(parseProfile(good.replaceAll('\n', '\r\n'), 'a')).toEqual(parseProfile(good, 'a'));
  });
});
