import { CertmillDerError } from '../encoding/der-error.js';
import { encodeInteger, encodeNull, encodeOctetString } from '../encoding/der-encode.js';
import { compileTemplate, type DerTemplate } from './der-template.js';
import type { SlotValues } from './slot-values.js';
import { tags } from '../encoding/tags.js';
import {
  bitStringOf,
  constructed,
  fixed,
  integer,
  octetStringOf,
  optional,
  rawSlot,
  sequence,
  setOf,
  skiOf,
  slot,
  type TemplateNode,
  time,
} from './template-node.js';

type Value = string | Uint8Array | number;

function fill(template: DerTemplate, given: Record<string, Value>): SlotValues {
  const values = template.createValues();
  for (const [name, value] of Object.entries(given)) {
    const index = template.slotIndex(name);
    if (typeof value === 'string') values.setText(index, value);
    else if (typeof value === 'number') values.setSeconds(index, value);
    else values.setBytes(index, value);
  }
  return values;
}

function written(node: TemplateNode, given: Record<string, Value> = {}): string {
  const template = compileTemplate(node);
  const out = new Uint8Array(70_000).fill(0xee);
  const start = template.write(out, 69_000, fill(template, given));
  expect([out[start - 1], out[69_000]]).toEqual([0xee, 0xee]);
  return Buffer.from(out.subarray(start, 69_000)).toString('hex');
}

function errorCodeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CertmillDerError) return error.code;
    throw error;
  }
  return 'none';
}

const P256_SPKI = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004' + '11'.repeat(64),
  'hex',
);

describe('DerTemplate', () => {
  test.each<[string, TemplateNode, Record<string, Value>, string]>([
    ['a constant', sequence(fixed(encodeNull())), {}, '30020500'],
    ['an empty SEQUENCE', sequence(), {}, '3000'],
    ['a text slot', slot('a', tags.utf8String), { a: 'a\u00e4' }, '0c0361c3a4'],
    ['an astral text', slot('a', tags.utf8String), { a: '\u{1f600}' }, '0c04f09f9880'],
    ['an empty text', slot('a', tags.utf8String), { a: '' }, '0c00'],
    ['a byte slot', slot('a', tags.octetString), { a: Uint8Array.of(1, 2) }, '04020102'],
    ['a raw slot', sequence(rawSlot('a')), { a: encodeNull() }, '30020500'],
    ['a UTCTime', time('t'), { t: 0 }, '170d3730303130313030303030305a'],
    ['a GeneralizedTime', time('t'), { t: 253_402_300_799 }, '180f39393939313233313233353935395a'],
    ['an integer', integer('n'), { n: Uint8Array.of(0, 1) }, '020101'],
    ['an integer with high bit', integer('n'), { n: Uint8Array.of(0x80) }, '02020080'],
    ['an optional that is there', optional('a', slot('a', 4)), { a: 'x' }, '040178'],
    ['an OCTET STRING of DER', octetStringOf(slot('a', 4)), { a: 'x' }, '0403040178'],
    ['a BIT STRING of DER', bitStringOf(slot('a', 4)), { a: 'x' }, '030400040178'],
    ['a constant BIT STRING', bitStringOf(fixed(encodeNull())), {}, '0303000500'],
    [
      'constants around a slot',
      sequence(fixed(encodeInteger(1)), fixed(encodeInteger(2)), slot('a', 4), fixed(encodeNull())),
      { a: 'x' },
      '300b020101020102040178' + '0500',
    ],
    [
      'a SET OF constants',
      setOf(fixed(encodeInteger(3)), fixed(encodeNull()), fixed(encodeInteger(1))),
      {},
      '3108020101' + '020103' + '0500',
    ],
    ['a SET OF one slot', setOf(slot('a', 4)), { a: 'x' }, '3103040178'],
    [
      'the same SET OF slots in DER order',
      setOf(slot('a', 4), slot('b', 4), fixed(encodeOctetString(Uint8Array.of(0x62)))),
      { a: 'c', b: 'a' },
      '3109040161' + '040162' + '040163',
    ],
  ])('writes %s', (_, node, given, hex) => {
    expect(written(node, given)).toBe(hex);
  });

  test('leaves out an optional without value, and the header stays right', () => {
    expect(written(sequence(optional('a', slot('a', 4)), fixed(encodeNull())))).toBe('30020500');
    expect(written(sequence(optional('a', slot('a', 4))))).toBe('3000');
  });

  test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536])('writes a length of %d', (length) => {
    const content = new Uint8Array(length).fill(7);
    const expected = Buffer.from(encodeOctetString(content)).toString('hex');
    expect(written(slot('a', tags.octetString), { a: content })).toBe(expected);
    expect(written(constructed(tags.octetString, rawSlot('a')), { a: content })).toBe(expected);
  });

  // echo -n 04 1111... | sha1sum, sha256sum: over the BIT STRING content, 04 included.
  test.each([
    ['sha1', 'd218799c27498cb03d0547e3552af76e30ae8f06'],
    ['rfc7093-sha256', 'f0b9315a0459dab7ab5fa6903e733c9177611542'],
  ] as const)('writes the key identifier by %s', (method, hex) => {
    expect(written(skiOf('spki', method), { spki: P256_SPKI })).toBe(`0414${hex}`);
  });

  test('indexes each slot once, in order of appearance', () => {
    const template = compileTemplate(
      sequence(slot('b', 4), slot('a', 4), optional('b', rawSlot('b'))),
    );
    expect(template.slotNames).toEqual(['b', 'a']);
    expect(template.slotIndex('a')).toBe(1);
    expect(template.hasSlot('c')).toBe(false);
    expect(errorCodeOf(() => template.slotIndex('c'))).toBe('slot-unknown');
  });

  test('can be written again with other values', () => {
    const template = compileTemplate(sequence(optional('a', slot('a', 4)), slot('b', 4)));
    const values = fill(template, { a: 'x', b: 'y' });
    const out = new Uint8Array(20);
    expect(template.write(out, 20, values)).toBe(12);
    values.clear(template.slotIndex('a'));
    expect(template.write(out, 20, values)).toBe(15);
    values.clearAll();
    expect(errorCodeOf(() => template.write(out, 20, values))).toBe('slot-missing');
  });

  test('takes text for slots of one character set only where it fits', () => {
    const codeOf = (tag: number, text: string): string =>
      errorCodeOf(() => written(slot('a', tag), { a: text }));
    expect(codeOf(tags.printableString, "Aa0 '()+,-./:=?")).toBe('none');
    expect(codeOf(tags.printableString, 'a@b')).toBe('slot-value-invalid');
    expect(codeOf(tags.ia5String, 'a@b')).toBe('none');
    expect(codeOf(tags.ia5String, '\u00e4')).toBe('slot-value-invalid');
    expect(codeOf(0x82, '\u00e4.example')).toBe('slot-value-invalid');
    expect(codeOf(tags.utf8String, '\ud800')).toBe('slot-value-invalid');
    expect(codeOf(tags.octetString, '\u00e4')).toBe('none');
  });

  test.each<[string, TemplateNode, Record<string, Value>, string]>([
    ['a missing slot', slot('a', 4), {}, 'slot-missing'],
    ['a time for text', slot('a', 4), { a: 1 }, 'slot-missing'],
    ['a missing raw slot', rawSlot('a'), {}, 'slot-missing'],
    ['text in a raw slot', rawSlot('a'), { a: 'x' }, 'slot-missing'],
    ['a missing time', time('a'), {}, 'slot-missing'],
    ['bytes for a time', time('a'), { a: Uint8Array.of(1) }, 'slot-missing'],
    ['a time after 9999', time('a'), { a: 253_402_300_800 }, 'slot-value-invalid'],
    ['a fraction of a second', time('a'), { a: 0.5 }, 'slot-value-invalid'],
    ['a missing integer', integer('a'), {}, 'slot-missing'],
    ['a zero', integer('a'), { a: Uint8Array.of(0, 0) }, 'slot-value-invalid'],
    ['no digits', integer('a'), { a: Uint8Array.of() }, 'slot-value-invalid'],
    [
      'an integer that is too long',
      integer('a', 20),
      { a: new Uint8Array(20).fill(0x80) },
      'slot-value-invalid',
    ],
    ['a missing key', skiOf('a', 'sha1'), {}, 'slot-missing'],
    ['a key that is none', skiOf('a', 'sha1'), { a: encodeNull() }, 'slot-value-invalid'],
  ])('refuses %s', (_, node, given, code) => {
    expect(errorCodeOf(() => written(node, given))).toBe(code);
  });

  test('writes into and from a SharedArrayBuffer', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(400));
    shared.set(P256_SPKI);
    const template = compileTemplate(
      sequence(rawSlot('spki'), skiOf('spki', 'sha1'), slot('a', 12)),
    );
    const values = fill(template, { a: '\u00e4' });
    values.setRange(template.slotIndex('spki'), shared, 0, P256_SPKI.length);
    const start = template.write(shared, 400, values);
    expect(Buffer.from(shared.slice(start)).toString('hex')).toBe(
      written(sequence(rawSlot('spki'), skiOf('spki', 'sha1'), slot('a', 12)), {
        spki: P256_SPKI,
        a: '\u00e4',
      }),
    );
  });

  test('never writes outside of its range', () => {
    const template = compileTemplate(sequence(slot('a', 4), fixed(encodeNull()), time('t')));
    const values = fill(template, { a: 'x'.repeat(200), t: 0 });
    const size = 3 + 3 + 200 + 2 + 15;
    for (let room = 0; room <= size; room += 1) {
      const out = new Uint8Array(400).fill(0xee);
      const code = errorCodeOf(() => template.write(out, 300, values, 300 - room));
      expect(code).toBe(room < size ? 'no-room' : 'none');
      expect(out.subarray(0, 300 - room).every((octet) => octet === 0xee)).toBe(true);
      expect(out.subarray(300).every((octet) => octet === 0xee)).toBe(true);
    }
    expect(errorCodeOf(() => template.write(new Uint8Array(9), 10, values))).toBe('no-room');
  });
});
