import { encodeInteger, encodeOid, encodeSequence, encodeTlv } from '../encoding/der-encode.js';
import * as fc from 'fast-check';

import { oids } from '../encoding/oids.js';
import { readName } from './read-name.js';
import { tags } from '../encoding/tags.js';
import { aName } from '../testing/a-certification-request.js';

fc.configureGlobal({ seed: 20261123 });

function nameOf(tag: number, contentHex: string): Uint8Array {
  const value = encodeTlv(tag, Buffer.from(contentHex, 'hex'));
  return encodeSequence(
    encodeTlv(tags.set, encodeSequence(encodeOid(oids.id_at_commonName), value)),
  );
}

function readOne(tag: number, contentHex: string): string {
  const der = nameOf(tag, contentHex);
  const name = readName(der, 0, der.length);
  if (!name.ok) return name.error.code;
  const attribute = name.value[0]?.[0];
  expect(attribute).toMatchObject({ oid: oids.id_at_commonName, tag });
  expect(der.subarray(attribute?.valueStart, attribute?.valueEnd)).toEqual(
    Uint8Array.from(Buffer.from(contentHex, 'hex')),
  );
  return `${attribute?.value}${attribute?.hasControlCharacters === true ? ' with control' : ''}`;
}

describe('readName', () => {
  test.each([
    [tags.utf8String, '61c3a4', 'a\u00e4'],
    [tags.utf8String, 'f09f9880', '\u{1f600}'],
    [tags.utf8String, 'efbbbf61', '\ufeffa'],
    [tags.utf8String, 'c0af', 'bad-string'],
    [tags.utf8String, 'eda080', 'bad-string'],
    [tags.utf8String, 'ff', 'bad-string'],
    [tags.utf8String, 'c3', 'bad-string'],
    [tags.utf8String, '610062', 'a\0b with control'],
    [tags.utf8String, '0a', '\n with control'],
    [tags.utf8String, 'c285', '\u0085 with control'],
    [tags.utf8String, '', ''],
    [tags.printableString, '4120303d3f', 'A 0=?'],
    [tags.printableString, '6140', 'bad-string'],
    [tags.printableString, '612a', 'bad-string'],
    [tags.printableString, '610a', 'bad-string'],
    [tags.printableString, 'e4', 'bad-string'],
    [tags.ia5String, '6140620a', 'a@b\n with control'],
    [tags.ia5String, '80', 'bad-string'],
    [tags.numericString, '3120', '1 '],
    [tags.numericString, '61', 'bad-string'],
    [tags.visibleString, '7e', '~'],
    [tags.visibleString, '7f', 'bad-string'],
    [tags.teletexString, 'e4', '\u00e4'],
    [tags.bmpString, '00610416', 'a\u0416'],
    [tags.bmpString, '006104', 'bad-string'],
    [tags.bmpString, 'd83dde00', 'bad-string'],
    [tags.universalString, '0001f600', '\u{1f600}'],
    [tags.universalString, '00110000', 'bad-string'],
    [tags.universalString, '0000d800', 'bad-string'],
    [tags.universalString, '000061', 'bad-string'],
    [tags.integer, '05', '#020105'],
    [tags.bitString, '0080', '#03020080'],
    [tags.integer, '0005', 'integer-not-minimal'],
  ])('tag %d with %s is %j', (tag, contentHex, expected) => {
    expect(readOne(tag, contentHex)).toBe(expected);
  });

  test('keeps RDNs and their attributes in order', () => {
    const attribute = (oid: string, text: string): Uint8Array =>
      encodeSequence(encodeOid(oid), encodeTlv(tags.utf8String, Buffer.from(text)));
    const der = encodeSequence(
      encodeTlv(tags.set, attribute('2.5.4.3', 'a'), attribute('2.5.4.5', 'b')),
      encodeTlv(tags.set, attribute('2.5.4.3', 'c')),
    );
    const name = readName(der, 0, der.length);
    expect(
      name.ok && name.value.map((rdn) => rdn.map(({ oid, value }) => `${oid}=${value}`)),
    ).toEqual([['2.5.4.3=a', '2.5.4.5=b'], ['2.5.4.3=c']]);
  });

  test.each([
    ['an empty RDN', encodeSequence(encodeTlv(tags.set)), 'empty-set'],
    ['no Name', encodeInteger(1), 'unexpected-tag'],
    ['bytes after it', Uint8Array.of(0x30, 0, 5, 0), 'trailing-bytes'],
    ['nothing', new Uint8Array(0), 'truncated'],
  ])('refuses %s', (_, der, code) => {
    expect(readName(der, 0, der.length)).toMatchObject({ ok: false, error: { code } });
  });

  test('decodes what was encoded', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 80 })
      .filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), (texts) => {
        const der = aName(...texts.map((value) => [oids.id_at_commonName, value] as const));
        const name = readName(der, 0, der.length);
        expect(name.ok && name.value.map(([attribute]) => attribute?.value)).toEqual(texts);
      }),
    );
  });
});
