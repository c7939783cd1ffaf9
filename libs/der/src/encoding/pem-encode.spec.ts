import { randomBytes } from 'node:crypto';
import { pemEncode, pemLength, writePem } from './pem-encode.js';

describe('pemEncode', () => {
  test.each([0, 1, 47, 48, 49, 96, 500])('encodes %d octets in lines of 64', (length) => {
    const der = new Uint8Array(length + 3).map((_, index) => index).subarray(3);
    const lines = pemEncode('CERTIFICATE', der).split('\n');
    expect(lines[0]).toBe('-----BEGIN CERTIFICATE-----');
    expect(lines.at(-2)).toBe('-----END CERTIFICATE-----');
    expect(lines.at(-1)).toBe('');
    const body = lines.slice(1, -2);
    expect(body.slice(0, -1).every((line) => line.length === 64)).toBe(true);
    expect(body.every((line) => line.length > 0 && line.length <= 64)).toBe(true);
    expect(Buffer.from(body.join(''), 'base64')).toEqual(Buffer.from(der));
  });

  test('has these exact bytes', () => {
    expect(pemEncode('X', Buffer.from('hello'))).toBe(
      '-----BEGIN X-----\naGVsbG8=\n-----END X-----\n',
    );
  });

  test('agrees with Buffer on 2,000 random inputs', () => {
    for (let length = 0; length < 2_000; length++) {
      const der = randomBytes(length);
      const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
      expect(pemEncode('CERTIFICATE', der)).toBe(
        ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
      );
    }
  });
});

test('writePem fills exactly pemLength octets and touches none around them', () => {
  for (const length of [0, 1, 2, 3, 47, 48, 49, 600]) {
    const size = pemLength('CERTIFICATE', length);
    const out = Buffer.alloc(size + 2, 0xff);
    expect(writePem('CERTIFICATE', randomBytes(length), out, 1)).toBe(size + 1);
    expect([out[0], out[size], out[size + 1]]).toEqual([0xff, 0x0a, 0xff]);
  }
});
