import { jest } from '@jest/globals';
import { RE2JS } from 're2js';
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
      /:13: subject.1.pattern: the patterns take more than 500000 steps .*: this one 60\d for each of 4000 characters/,
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
    ['a key that is no text', (t) => `${t}? [a]\n: b\n`, /:30: keys must be texts/],
    ['keys in keys in keys', () => '? '.repeat(300), /^sensor.yaml:1: keys must be texts$/],
    ['a file that nests for ever', () => '['.repeat(4_000), /:1: it nests too deeply/],
    [
      'a file of signs',
      () => '[]'.repeat(10_000),
      /:1: a profile has at most 10000 lines, keys, values and signs/,
    ],
    [
      'more names than any certificate has',
      (t) => t.replace(/^subject:\n/m, `subject:\n${'  - { type: title, value: a }\n'.repeat(98)}`),
      /:11: subject: Too big: expected array to have <=100 items/,
    ],
    [
      'an object identifier that is a document',
      (t) => t.replace('1.3.6.1.4.1.32473.9', `1.3.${'9'.repeat(200)}`),
      /:18: extensions.extKeyUsage.purposes.1: Too big/,
    ],
    [
      'an example that is longer than any value',
      (t) => t.replace('maxLength: 20', `maxLength: 20, example: ${'A'.repeat(21)}`),
      /:13: subject.1.example: the example has more than 20 characters/,
    ],
    [
      'an example that is none',
      (t) => t.replace('maxLength: 20', 'maxLength: 20, example: aa'),
      /:13: subject.1.example: the example does not match 'pattern'/,
    ],
    ['a file that is far too long', (t) => t + '#'.repeat(70_000), /at most 65536 characters/],
  ])('refuses %s', (_, change, message) => {
    expect(refusalOf(change(good))).toMatch(message);
  });

  it('reads a file with CRLF line ends the same', () => {
    expect(parseProfile(good.replaceAll('\n', '\r\n'), 'a')).toEqual(parseProfile(good, 'a'));
  });

  it('tells a hundred problems of a file that has thousands', () => {
    const keys = Array.from({ length: 1_500 }, (_, index) => `k${String(index)}: a\n`);
    const told = refusalOf(`${good}${keys.join('')}`).split('\n');
    expect(told).toHaveLength(101);
    expect(told[99]).toBe("sensor.yaml:129: profile: unknown key 'k99'");
    expect(told[100]).toBe('and more');
    expect(refusalOf('a: b\n'.repeat(2_000)).split('\n')).toHaveLength(101);
  });

  describe('its patterns', () => {
    const compile = jest.spyOn(RE2JS, 'compile');
    beforeEach(() => compile.mockClear());
    afterAll(() => {
      compile.mockRestore();
    });

    /** The good profile with fields of these patterns, each in a line from 12 on. */
    function withPatterns(...rules: string[]): string {
      const lines = rules.map((rule) => `  - { type: title, from: [row.site], ${rule} }\n`);
      return good.replace(/^subject:\n(  - .*\n)+/m, `subject:\n${lines.join('')}`);
    }

    it('are compiled once each, and matched with their examples', () => {
      parseProfile(
        withPatterns("pattern: '[a-z]+', example: a", "pattern: 'b', example: b", 'example: c'),
        'sensor.yaml',
      );
      expect(compile).toHaveBeenCalledTimes(2);
    });

    it('are not compiled where they are larger than what anybody needs', () => {
      const large = Array.from({ length: 90 }, () => `pattern: '${'a{1000}'.repeat(70)}'`);
      expect(refusalOf(withPatterns(...large))).toMatch(
        /^sensor.yaml:12: subject.0.pattern: the patterns take \d{7} steps to compile, at most 50000 are allowed: this one 7\d{4}; repeat less in it$/,
      );
      for (const pattern of [
        // 300 copies of each letter; tables of Unicode; 125,000 characters in both cases, again and again.
        '(?:(?:abcdefghij){30}){30}'.repeat(19),
        `(?i)${'\\pL'.repeat(160)}{100}`,
        `(?i)[${'B-\u{1e942}'.repeat(90)}]`,
      ]) {
        expect(
          refusalOf(withPatterns(...Array.from({ length: 3 }, () => `pattern: '${pattern}'`))),
        ).toContain('steps to compile');
      }
      expect(compile).not.toHaveBeenCalled();
    });

    it('are compiled up to the one with which values take too long to match', () => {
      const many = Array.from({ length: 20 }, (_, index) =>
        index === 3 ? "pattern: 'a{600}', maxLength: 600" : "pattern: 'a{300}', maxLength: 300",
      );
      expect(refusalOf(withPatterns(...many))).toMatch(
        /^sensor.yaml:15: subject.3.pattern: .* this one 60\d for each of 600 characters/,
      );
      expect(compile).toHaveBeenCalledTimes(4);
    });

    it('are not looked at where the file is none', () => {
      expect(refusalOf(withPatterns("pattern: 'a'").replace('version: 3', 'version: x'))).toContain(
        'version',
      );
      expect(compile).not.toHaveBeenCalled();
    });

    it('of fields such as people write fit', () => {
      const fields = [
        "pattern: '[\\p{L}\\p{N} ._-]{1,64}'",
        "pattern: '[A-Z]{3}-[0-9]{4,12}(-[0-9A-F]{2}){0,5}'",
        "pattern: '(?i)(?:bolt|gear|pump)-[a-z0-9]{1,40}'",
        "pattern: '[!-~]{1,250}', maxLength: 250",
      ];
      const text = withPatterns(
        ...Array.from({ length: 10 }, () => fields)
          .flat()
          .slice(0, 12),
      );
      expect(parseProfile(text, 'sensor.yaml').subject).toHaveLength(12);
    });
  });
});
