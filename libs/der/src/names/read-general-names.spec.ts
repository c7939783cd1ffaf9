import {
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { readGeneralNames } from './read-general-names.js';
import { tags } from '../encoding/tags.js';
import { aName } from '../testing/a-certification-request.js';

function readOne(name: Uint8Array): unknown {
  const der = encodeSequence(name);
  const names = readGeneralNames(der, 0, der.length);
  return names.ok ? names.value[0] : names.error.code;
}

const ascii = (tag: number, text: string): Uint8Array =>
  encodeTlv(tag, Buffer.from(text, 'latin1'));
const otherName = (...parts: Uint8Array[]): Uint8Array => encodeTlv(0xa0, ...parts);
const hardwareModule = (...parts: Uint8Array[]): Uint8Array =>
  otherName(encodeOid(oids.id_on_hardwareModuleName), encodeTlv(0xa0, encodeSequence(...parts)));

describe('readGeneralNames', () => {
  test.each([
    [ascii(0x81, 'a@b'), { kind: 'rfc822Name', value: 'a@b' }],
    [ascii(0x82, 'a.b'), { kind: 'dNSName', value: 'a.b' }],
    [ascii(0x86, 'urn:a'), { kind: 'uniformResourceIdentifier', value: 'urn:a' }],
    [encodeTlv(0x87, Uint8Array.of(1, 2, 3, 4)), { kind: 'iPAddress', valueStart: 4, valueEnd: 8 }],
    [encodeTlv(0x87, new Uint8Array(16)), { kind: 'iPAddress' }],
    [encodeTlv(0x88, Uint8Array.of(0x2a, 3)), { kind: 'registeredID', oid: '1.2.3' }],
    [
      encodeTlv(0xa4, aName(['2.5.4.3', 'x'])),
      { kind: 'directoryName', name: [[{ oid: '2.5.4.3', value: 'x' }]] },
    ],
    [
      otherName(encodeOid('1.2.3'), encodeTlv(0xa0, encodeNull())),
      { kind: 'otherName', typeId: '1.2.3' },
    ],
    [
      hardwareModule(encodeOid('1.3.6.1.4.1.1'), encodeTlv(tags.octetString, Buffer.from('SN'))),
      { kind: 'hardwareModuleName', hwType: '1.3.6.1.4.1.1' },
    ],
    [encodeTlv(0xa5, encodeNull()), { kind: 'ediPartyName' }],
    [encodeTlv(0xa3, encodeNull()), { kind: 'x400Address' }],
  ])('reads %#', (name, expected) => {
    expect(readOne(name)).toMatchObject(expected);
  });

  test('says where the serial number of a hardware module lies', () => {
    const serial = encodeTlv(tags.octetString, Buffer.from('SN-1'));
    const der = encodeSequence(hardwareModule(encodeOid('1.2.3'), serial));
    const names = readGeneralNames(der, 0, der.length);
    const [name] = names.ok ? names.value : [];
    const range =
      name?.kind === 'hardwareModuleName' ? [name.hwSerialNumStart, name.hwSerialNumEnd] : [];
    expect(Buffer.from(der.subarray(...range)).toString()).toBe('SN-1');
  });

  test.each([
    ['a dNSName beyond ASCII', ascii(0x82, '\u00e4'), 'bad-string'],
    ['an iPAddress of 8 octets', encodeTlv(0x87, new Uint8Array(8)), 'bad-ip-address'],
    ['a registeredID that is no OID', encodeTlv(0x88, Uint8Array.of(0x80)), 'bad-oid'],
    ['an unknown form', encodeTlv(0x89), 'bad-general-name'],
    ['a constructed dNSName', encodeTlv(0xa2, encodeNull()), 'bad-general-name'],
    ['a universal type', encodeInteger(1), 'bad-general-name'],
    ['a directoryName without Name', encodeTlv(0xa4), 'truncated'],
    ['an otherName without value', otherName(encodeOid('1.2.3')), 'truncated'],
    ['an otherName without [0]', otherName(encodeOid('1.2.3'), encodeNull()), 'unexpected-tag'],
    [
      'an otherName with two values',
      otherName(encodeOid('1.2.3'), encodeTlv(0xa0, encodeNull(), encodeNull())),
      'trailing-bytes',
    ],
    [
      'an otherName with a third element',
      otherName(encodeOid('1.2.3'), encodeTlv(0xa0, encodeNull()), encodeNull()),
      'trailing-bytes',
    ],
    ['a hardware module without serial', hardwareModule(encodeOid('1.2.3')), 'truncated'],
    [
      'a hardware module with a text serial',
      hardwareModule(encodeOid('1.2.3'), ascii(tags.utf8String, 'x')),
      'unexpected-tag',
    ],
    [
      'a hardware module with more',
      hardwareModule(encodeOid('1.2.3'), encodeTlv(tags.octetString), encodeNull()),
      'trailing-bytes',
    ],
  ])('refuses %s', (_, name, code) => {
    expect(readOne(name)).toBe(code);
  });

  test('refuses no names, and bytes after them', () => {
    const none = encodeSequence();
    expect(readGeneralNames(none, 0, 2)).toMatchObject({ error: { code: 'empty-set' } });
    const der = Buffer.concat([encodeSequence(ascii(0x82, 'a')), Buffer.of(0)]);
    expect(readGeneralNames(der, 0, der.length)).toMatchObject({
      error: { code: 'trailing-bytes' },
    });
  });
});
