import * as fc from 'fast-check';

import {
  encodeInteger,
  encodeLength,
  encodeOid,
  encodeOidContent,
  encodeTime,
  encodeTlv,
  lengthOctets,
} from './der-encode.js';
import { decodeInteger, decodeOid, DerReader, MAX_DEPTH } from './der-reader.js';
import { NO_EXPIRATION_SECONDS, readTimeContent } from './der-time.js';
import { tags } from './tags.js';

fc.configureGlobal({ seed: 20261123 });

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** The error of reading one element of any type that has to fill the input. */
function errorOf(hex: string): string {
  const bytes = bytesOf(hex);
  const reader = new DerReader();
  const isRead =
    reader.reset(bytes, 0, bytes.length) &&
    reader.any(bytes.length, 1) &&
    reader.close(bytes.length);
  expect(isRead).toBe(reader.errorCode === undefined);
  return reader.errorCode === undefined ? 'ok' : `${reader.errorCode}@${reader.errorOffset}`;
}

describe('DerReader', () => {
  test.each([
    ['0500', 'ok'],
    ['', 'truncated@0'],
    ['30', 'truncated@0'],
    ['0501', 'truncated@0'],
    ['050000', 'trailing-bytes@2'],
    ['050100', 'bad-null@0'],
    ['3080 0500 0000', 'indefinite-length@1'],
    ['0480', 'indefinite-length@1'],
    ['04ff', 'length-not-minimal@1'],
    ['0481 01 00', 'length-not-minimal@1'],
    ['0481 7f', 'length-not-minimal@1'],
    ['0482 0080', 'length-not-minimal@1'],
    ['0481', 'truncated@0'],
    ['0482 01', 'truncated@0'],
    ['0484 ffffffff', 'truncated@0'],
    ['0485 0100000000', 'truncated@0'],
    ['0485 0000000001 00', 'length-not-minimal@1'],
    ['0000', 'tag-unsupported@0'],
    ['1f81 0100', 'tag-unsupported@0'],
    ['bf21 0100', 'tag-unsupported@0'],
    ['0101ff', 'ok'],
    ['010100', 'ok'],
    ['010101', 'bad-boolean@0'],
    ['0100', 'bad-boolean@0'],
    ['0102ffff', 'bad-boolean@0'],
    ['020100', 'ok'],
    ['020180', 'ok'],
    ['02020080', 'ok'],
    ['0202ff7f', 'ok'],
    ['0200', 'integer-not-minimal@0'],
    ['0202007f', 'integer-not-minimal@0'],
    ['0202ff80', 'integer-not-minimal@0'],
    ['0a020001', 'integer-not-minimal@0'],
    ['030100', 'ok'],
    ['0300', 'bad-bit-string@0'],
    ['030101', 'bad-bit-string@0'],
    ['030207 80', 'ok'],
    ['030207 c0', 'bad-bit-string@0'],
    ['030208 00', 'bad-bit-string@0'],
    ['06032a0304', 'ok'],
    ['0600', 'bad-oid@0'],
    ['060180', 'bad-oid@0'],
    ['0602802a', 'bad-oid@0'],
    ['06032a8001', 'bad-oid@0'],
    ['06022a83', 'bad-oid@0'],
    ['2403040100', 'constructed-string@0'],
    ['2c030c0141', 'constructed-string@0'],
    ['1000', 'unexpected-tag@0'],
    ['3003 020100', 'ok'],
    ['3003 020200', 'truncated@2'],
    ['a003 020100', 'ok'],
    ['a003 0201', 'truncated@0'],
    ['8003 ffffff', 'ok'],
    ['3006 3104 06022a83', 'bad-oid@4'],
  ])('reads %s as %s', (hex, expected) => {
    expect(errorOf(hex)).toBe(expected);
  });

  test('refuses elements nested deeper than the limit', () => {
    const nested = (levels: number): string => {
      let der: Uint8Array = Uint8Array.of(5, 0);
      for (let level = 1; level < levels; level += 1) der = encodeTlv(tags.sequence, der);
      return Buffer.from(der).toString('hex');
    };
    expect(errorOf(nested(MAX_DEPTH))).toBe('ok');
    expect(errorOf(nested(MAX_DEPTH + 1))).toMatch(/^too-deep@/);
    expect(errorOf(nested(5_000))).toMatch(/^too-deep@/);
  });

  test('refuses ranges outside the buffer and inputs over the limit', () => {
    const reader = new DerReader();
    const bytes = new Uint8Array(10);
    expect(reader.reset(bytes, 0, 10, 10)).toBe(true);
    expect(reader.reset(bytes, 0, 10, 9)).toBe(false);
    expect(reader.errorCode).toBe('too-large');
    for (const [start, end] of [
      [-1, 5],
      [6, 5],
      [0, 11],
      [Number.NaN, 5],
      [0, Number.NaN],
    ] as const) {
      expect(reader.reset(bytes, start, end)).toBe(false);
      expect(reader.errorCode).toBe('truncated');
    }
  });

  test('keeps the first error', () => {
    const reader = new DerReader();
    reader.fail('bad-oid', 3);
    reader.fail('truncated', 4);
    expect([reader.errorCode, reader.errorOffset]).toEqual(['bad-oid', 3]);
  });

  test.each([
    ['020100', 0],
    ['02017f', 127],
    ['02020080', 128],
    ['020300ffff', 65_535],
    ['0203010000', -1],
    ['0201ff', -1],
    ['02050100000000', -1],
  ])('reads %s as a small integer up to 65535: %d', (hex, expected) => {
    const bytes = bytesOf(hex);
    const reader = new DerReader();
    reader.reset(bytes, 0, bytes.length);
    expect(reader.smallInteger(bytes.length, 65_535)).toBe(expected);
  });
});

describe('decode(encode(x)) = x', () => {
  test('lengths', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(300), fc.nat(70_000)), (length) => {
        const encoded = encodeLength(length);
        const bytes = new Uint8Array(1 + encoded.length + length);
        bytes[0] = tags.octetString;
        bytes.set(encoded, 1);
        const reader = new DerReader();
        expect(reader.reset(bytes, 0, bytes.length, bytes.length)).toBe(true);
        expect(reader.header(bytes.length)).toBe(true);
        expect(reader.contentEnd - reader.contentStart).toBe(length);
        expect(encoded.length).toBe(lengthOctets(length));
      }),
    );
  });

  test('integers', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (value) => {
        const der = encodeInteger(value);
        const reader = new DerReader();
        reader.reset(der, 0, der.length);
        expect(reader.integer(der.length)).toBe(true);
        expect(decodeInteger(der, reader.contentStart, reader.contentEnd)).toBe(value);
      }),
    );
  });

  test('unsigned magnitudes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (magnitude) => {
        const der = encodeInteger(magnitude);
        const reader = new DerReader();
        reader.reset(der, 0, der.length);
        expect(reader.integer(der.length)).toBe(true);
        expect(decodeInteger(der, reader.contentStart, reader.contentEnd)).toBe(
          BigInt(`0x0${Buffer.from(magnitude).toString('hex')}`),
        );
      }),
    );
  });

  test('object identifiers', () => {
    const arc = fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(0n, 2n ** 130n));
    const dotted = fc
      .oneof(
        fc.tuple(fc.bigInt(0n, 1n), fc.bigInt(0n, 39n), fc.array(arc, { maxLength: 8 })),
        fc.tuple(fc.constant(2n), arc, fc.array(arc, { maxLength: 8 })),
      )
      .map(([root, second, rest]) => [root, second, ...rest].join('.'));
    fc.assert(
      fc.property(dotted, (oid) => {
        const der = encodeOid(oid);
        const reader = new DerReader();
        reader.reset(der, 0, der.length);
        expect(reader.objectIdentifier(der.length)).toBe(true);
        expect(decodeOid(der, reader.contentStart, reader.contentEnd)).toBe(oid);
      }),
    );
  });

  test('object identifier contents that are valid encode back to themselves', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (content) => {
        const der = encodeTlv(tags.objectIdentifier, content);
        const reader = new DerReader();
        reader.reset(der, 0, der.length);
        if (!reader.objectIdentifier(der.length)) return;
        expect(encodeOidContent(decodeOid(content, 0, content.length))).toEqual(content);
      }),
    );
  });

  test('times, which are what Date makes of them', () => {
    const seconds = fc.integer({ min: -631_152_000, max: NO_EXPIRATION_SECONDS });
    fc.assert(
      fc.property(seconds, (value) => {
        const der = encodeTime(value);
        expect(readTimeContent(der, der[0] as number, 2, der.length)).toBe(value);
        const digits = new Date(value * 1_000).toISOString().replace(/[-:T]|\.000/g, '');
        const isUtcTime = digits.slice(0, 4) < '2050';
        expect(der[0]).toBe(isUtcTime ? tags.utcTime : tags.generalizedTime);
        const text = Buffer.from(der.subarray(2)).toString('latin1');
        expect(text).toBe(isUtcTime ? digits.slice(2) : digits);
      }),
      { numRuns: 1_000 },
    );
  });
});
