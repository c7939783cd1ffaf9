import {
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeLength,
  encodeNamedBits,
  encodeNull,
  encodeOid,
  encodeSetOf,
  encodeTime,
} from './der-encode.js';
import { NO_EXPIRATION_SECONDS, readTimeContent } from './der-time.js';
import { tags } from './tags.js';

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('encoders', () => {
  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8180'],
    [255, '81ff'],
    [256, '820100'],
    [65_536, '83010000'],
    [4_294_967_296, '850100000000'],
  ])('length %d is %s', (length, hex) => {
    expect(hexOf(encodeLength(length))).toBe(hex);
  });

  test.each([
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [-128, '020180'],
    [-129, '0202ff7f'],
    [256, '02020100'],
    [Uint8Array.of(0, 0, 0x80), '02020080'],
    [Uint8Array.of(), '020100'],
  ])('integer %s is %s', (value, hex) => {
    expect(hexOf(encodeInteger(value))).toBe(hex);
  });

  // X.690 8.19.5 and RFC 5280's own identifiers.
  test.each([
    ['2.999.3', '0603883703'],
    ['1.2.840.10045.3.1.7', '06082a8648ce3d030107'],
    ['2.5.29.37.0', '0604551d2500'],
    ['0.9.2342.19200300.100.1.25', '060a0992268993f22c640119'],
    ['1.3.6.1.5.5.7.8.4', '06082b06010505070804'],
  ])('object identifier %s is %s', (dotted, hex) => {
    expect(hexOf(encodeOid(dotted))).toBe(hex);
  });

  test.each(['', '1', '3.1', '1.40', '1.2.', '1.02', '1.2.-3', 'a.b'])(
    'refuses %j as an object identifier',
    (dotted) => {
      expect(() => encodeOid(dotted)).toThrow(/object identifier/);
    },
  );

  // RFC 5280 4.2.1.3: digitalSignature is bit 0, decipherOnly bit 8.
  test.each([
    [[0], '03020780'],
    [[0, 2], '030205a0'],
    [[5, 6], '03020106'],
    [[8], '0303070080'],
    [[], '030100'],
  ])('named bits %j are %s', (bits, hex) => {
    expect(hexOf(encodeNamedBits(bits))).toBe(hex);
  });

  test('SET OF is sorted', () => {
    const set = encodeSetOf(encodeInteger(256), encodeInteger(2), encodeInteger(1), encodeNull());
    expect(hexOf(set)).toBe('310c' + '020101' + '020102' + '02020100' + '0500');
  });

  test('simple values', () => {
    expect(hexOf(encodeBoolean(true))).toBe('0101ff');
    expect(hexOf(encodeBoolean(false))).toBe('010100');
    expect(hexOf(encodeBitString(Uint8Array.of(1)))).toBe('03020001');
  });

  test.each([
    [0, '170d3730303130313030303030305a'],
    [-631_152_000, '170d3530303130313030303030305a'],
    [951_827_696, '170d3030303232393132333435365a'],
    [2_524_607_999, '170d3439313233313233353935395a'],
    [2_524_608_000, '180f32303530303130313030303030305a'],
    [4_107_542_400, '180f32313030303330313030303030305a'],
    [NO_EXPIRATION_SECONDS, '180f39393939313233313233353935395a'],
  ])('time %d is %s', (seconds, hex) => {
    expect(hexOf(encodeTime(seconds))).toBe(hex);
  });

  test.each([1.5, Number.NaN, NO_EXPIRATION_SECONDS + 1, -631_152_001])(
    'refuses %d as a time',
    (seconds) => {
      expect(() => encodeTime(seconds)).toThrow(/whole seconds/);
    },
  );
});

describe('readTimeContent', () => {
  test.each([
    [tags.utcTime, '000229000000Z', 951_782_400],
    [tags.utcTime, '500101000000Z', -631_152_000],
    [tags.generalizedTime, '20000229000000Z', 951_782_400],
    [tags.generalizedTime, '99991231235959Z', NO_EXPIRATION_SECONDS],
    [tags.utcTime, '010229000000Z', undefined],
    [tags.generalizedTime, '21000229000000Z', undefined],
    [tags.utcTime, '001301000000Z', undefined],
    [tags.utcTime, '000001000000Z', undefined],
    [tags.utcTime, '000100000000Z', undefined],
    [tags.utcTime, '000431000000Z', undefined],
    [tags.utcTime, '000101240000Z', undefined],
    [tags.utcTime, '000101006000Z', undefined],
    [tags.utcTime, '000101000060Z', undefined],
    [tags.utcTime, '0001010000Z', undefined],
    [tags.utcTime, '000101000000+', undefined],
    [tags.utcTime, '0001010000 0Z', undefined],
    [tags.generalizedTime, '20000101000000.0Z', undefined],
  ])('tag %d, %s is %s', (tag, text, expected) => {
    const content = Buffer.from(text, 'latin1');
    expect(readTimeContent(content, tag, 0, content.length)).toBe(expected ?? Number.NaN);
  });
});
