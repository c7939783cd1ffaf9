import { pemEncode } from './pem-encode.js';

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
});
