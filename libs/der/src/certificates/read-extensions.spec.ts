import { encodeNull, encodeOid, encodeSequence } from '../encoding/der-encode.js';
import type { DerResult } from '../encoding/der-error.js';
import {
  readBasicConstraints,
  readExtensions,
  readExtKeyUsage,
  readKeyUsage,
} from './read-extensions.js';
import { anExtension } from '../testing/a-certification-request.js';

type Reader<T> = (bytes: Uint8Array, start: number, end: number) => DerResult<T>;

function read<T>(reader: Reader<T>, hex: string): T | string {
  const bytes = Buffer.from(`5555${hex}5555`, 'hex');
  const result = reader(bytes, 2, bytes.length - 2);
  return result.ok ? result.value : result.error.code;
}

describe('readExtensions', () => {
  test('gives each with its criticality and the range of its value', () => {
    const der = encodeSequence(
      anExtension('2.5.29.15', Uint8Array.of(9, 8), true),
      anExtension('2.5.29.17', encodeNull(), false),
      anExtension('2.5.29.19', encodeNull()),
    );
    expect(readExtensions(der, 0, der.length)).toEqual({
      ok: true,
      value: [
        { oid: '2.5.29.15', critical: true, valueStart: 14, valueEnd: 16 },
        { oid: '2.5.29.17', critical: false, valueStart: 28, valueEnd: 30 },
        { oid: '2.5.29.19', critical: false, valueStart: 39, valueEnd: 41 },
      ],
    });
  });

  test('refuses one that occurs twice', () => {
    const one = anExtension('2.5.29.15', encodeNull());
    const der = encodeSequence(one, anExtension('2.5.29.17', encodeNull()), one);
    expect(readExtensions(der, 0, der.length)).toMatchObject({
      ok: false,
      error: { code: 'duplicate-extension', offset: 2 + 2 * one.length },
    });
  });

  test('refuses more than anyone needs, and accepts none', () => {
    const many = Array.from({ length: 129 }, (_, n) => anExtension(`1.2.${n}`, encodeNull()));
    const der = encodeSequence(...many);
    expect(readExtensions(der, 0, der.length)).toMatchObject({ error: { code: 'too-large' } });
    expect(read(readExtensions, '3000')).toEqual([]);
    expect(read(readExtensions, '30000500')).toBe('trailing-bytes');
    expect(read(readExtensions, '3100')).toBe('unexpected-tag');
  });
});

describe('readKeyUsage', () => {
  test.each([
    ['03020780', ['digitalSignature']],
    ['030205a0', ['digitalSignature', 'keyEncipherment']],
    ['03020106', ['keyCertSign', 'cRLSign']],
    ['0303070080', ['decipherOnly']],
    // Old mbed TLS sends seven bits, whatever is set.
    ['03020180', ['digitalSignature']],
    ['0303078000', ['digitalSignature']],
    ['030100', []],
    ['03020781', 'bad-bit-string'],
    ['0300', 'bad-bit-string'],
    ['0302078000', 'trailing-bytes'],
    ['040107', 'unexpected-tag'],
  ])('%s is %j', (hex, expected) => {
    expect(read(readKeyUsage, hex)).toEqual(expected);
  });
});

describe('readBasicConstraints', () => {
  test.each([
    ['3000', { cA: false, pathLenConstraint: undefined }],
    ['30030101ff', { cA: true, pathLenConstraint: undefined }],
    ['30060101ff020100', { cA: true, pathLenConstraint: 0 }],
    ['3003010100', { cA: false, pathLenConstraint: undefined }],
    ['3003020103', { cA: false, pathLenConstraint: 3 }],
    ['30060101ff0201ff', 'integer-out-of-range'],
    ['3003010101', 'bad-boolean'],
    ['30050101ff0500', 'unexpected-tag'],
    ['30080101ff0201000500', 'trailing-bytes'],
    ['30000500', 'trailing-bytes'],
    ['3100', 'unexpected-tag'],
  ])('%s is %j', (hex, expected) => {
    expect(read(readBasicConstraints, hex)).toEqual(expected);
  });
});

describe('readExtKeyUsage', () => {
  test.each([
    ['300a06082b06010505070302', ['1.3.6.1.5.5.7.3.2']],
    ['3000', 'empty-set'],
    ['30020500', 'unexpected-tag'],
    ['3003060180', 'bad-oid'],
    ['300306012a00', 'trailing-bytes'],
  ])('%s is %j', (hex, expected) => {
    expect(read(readExtKeyUsage, hex)).toEqual(expected);
  });

  test('reads as many as there are', () => {
    const der = encodeSequence(encodeOid('1.2.3'), encodeOid('2.5.29.37.0'));
    expect(readExtKeyUsage(der, 0, der.length)).toEqual({
      ok: true,
      value: ['1.2.3', '2.5.29.37.0'],
    });
  });
});
