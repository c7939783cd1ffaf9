import { encodeSequence, oids } from '@certmill/der';
import { profileSlots, rejectionCodeOf, type FieldValue, type Profile } from '@certmill/domain';
import { decodeVerdict, encodeVerdict } from '@certmill/events';
import type { AllowListRow, Examination } from '@certmill/ports';
import { applyAllowList, applyAllowListInTurns, draftVerdict } from './decide-values.js';
import {
  aCsr,
  aName,
  aProfile,
  attribute,
  examine,
  extension,
  hardwareSan,
} from './testing/a-csr.js';

const udid = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const udidHex = udid.toString('hex');

/** An examination that passed; `csrValues` as the profile's sources stand. */
function examined(deviceId: string, csrValues: (string | undefined)[] = []): Examination {
  return {
    codes: [0],
    details: [''],
    udids: udid,
    deviceIds: [deviceId],
    csrValues: [csrValues],
  };
}

function decided(
  profile: Profile,
  examination: Examination,
  row?: AllowListRow,
  listed = row !== undefined,
): { verdict: string; deviceId: string; values: string[] } {
  const result = applyAllowList(profile, examination, listed ? [row] : undefined);
  const code = rejectionCodeOf(result.codes[0] ?? 0) ?? 'accepted';
  return {
    verdict: `${code}: ${result.details[0] ?? ''}`,
    deviceId: result.deviceIds[0] ?? '',
    values: result.values.map((value) => Buffer.from(value).toString('latin1')),
  };
}

type From = Extract<FieldValue, { from: unknown }>;
type Attribute = Profile['subject'][number];

function withSubject(
  type: Attribute['type'],
  value: Partial<From>,
  encoding: Attribute['encoding'] = 'utf8',
): Profile {
  const full = { from: ['deviceId' as const], required: true, ...value };
  return aProfile({ deviceIdFrom: [], subject: [{ type, encoding, value: full }], extensions: {} });
}

type AlternativeName = NonNullable<Profile['extensions']['subjectAltName']>['names'][number];

function withName(name: AlternativeName): Profile {
  const subjectAltName = { critical: false, names: [name] };
  return aProfile({ deviceIdFrom: [], subject: [], extensions: { subjectAltName } });
}

const fromDevice: From = { from: ['deviceId'], required: true };

describe('the allow-list', () => {
  const profile = aProfile();

  it('lets a device with its row pass, by id, by key and by both', () => {
    for (const row of [
      { deviceId: 'device-1' },
      { udid: udidHex },
      { deviceId: 'device-1', udid: udidHex.toUpperCase() },
    ]) {
      const result = decided(profile, examined('device-1', ['device-1']), row);
      expect(result).toEqual({
        verdict: 'accepted: ',
        deviceId: 'device-1',
        values: ['device-1'],
      });
    }
  });

  it('rejects a device without a row', () => {
    const result = decided(profile, examined('device-1', ['device-1']), undefined, true);
    expect(result.verdict).toBe(
      `DEVICE_NOT_AUTHORIZED: neither device 'device-1' nor the key ${udidHex} ` +
        'is on the allow-list of the order',
    );
    expect(result.values).toEqual(['']);
  });

  it('rejects a key without a row where the device is not named', () => {
    expect(decided(profile, examined(''), undefined, true).verdict).toBe(
      `DEVICE_NOT_AUTHORIZED: the key ${udidHex} is not on the allow-list of the order`,
    );
  });

  it('rejects a device whose row binds another key, without naming that key', () => {
    const row = { deviceId: 'device-1', udid: 'ab'.repeat(32) };
    const { verdict } = decided(profile, examined('device-1'), row);
    expect(verdict).toMatch(/^DEVICE_NOT_AUTHORIZED: .*'device-1' to another key/);
    expect(verdict).not.toContain('abab');
  });

  it('rejects a key whose row is of another device, without naming that device', () => {
    const row = { deviceId: 'device-2', udid: udidHex };
    const { verdict } = decided(profile, examined('device-1'), row);
    expect(verdict).toMatch(/^SUBJECT_MISMATCH: .*another device than 'device-1'/);
    expect(verdict).not.toContain('device-2');
  });

  it('is not asked where the order requires none', () => {
    expect(decided(profile, examined('device-1')).verdict).toBe('accepted: ');
  });
});

describe('the device id', () => {
  it("falls back to the row's, then to the UDID in hex", () => {
    const row = { deviceId: 'device-9', udid: udidHex };
    expect(decided(aProfile(), examined(''), row).deviceId).toBe('device-9');
    expect(decided(aProfile(), examined(''), { udid: udidHex }).deviceId).toBe(udidHex);
    expect(decided(aProfile(), examined('')).values).toEqual([udidHex]);
  });

  it('may come from the row, and must agree with it then', () => {
    const profile = aProfile({ deviceIdFrom: ['row.serial'] });
    const row = { udid: udidHex, serial: 'SN-1' };
    expect(decided(profile, examined(''), row).deviceId).toBe('SN-1');
    expect(decided(profile, examined('device-1'), row).verdict).toBe(
      "SUBJECT_MISMATCH: the device id is 'device-1', but row.serial is 'SN-1': they must agree",
    );
  });

  it('has at most 128 octets of UTF-8', () => {
    const profile = withSubject('commonName', { from: ['udid'] });
    expect(decided(profile, examined('\u00e4'.repeat(64))).verdict).toBe('accepted: ');
    expect(decided(profile, examined('\u00e4'.repeat(65))).verdict).toMatch(
      /^SUBJECT_MISMATCH: .*130 octets/,
    );
  });
});

describe('the values', () => {
  it('come from the first source that is present', () => {
    const profile = withSubject('serialNumber', { from: ['row.serial', 'row.model', 'deviceId'] });
    expect(decided(profile, examined('d'), { serial: 'd', model: 'd' }).values).toEqual(['d']);
    expect(decided(profile, examined('d'), { serial: '' }).values).toEqual(['d']);
  });

  it('must agree in all sources that are present', () => {
    const profile = withSubject('serialNumber', { from: ['row.serial', 'row.model'] });
    expect(decided(profile, examined('d'), { serial: 'e', model: 'f' }).verdict).toBe(
      "SUBJECT_MISMATCH: for subject.serialNumber[0], row.serial is 'e', " +
        "but row.model is 'f': they must agree",
    );
  });

  it('are not contradicted by the device id, which stands in where they are absent', () => {
    const profile = withSubject('serialNumber', { from: ['row.serial', 'deviceId'] });
    expect(decided(profile, examined('d'), { serial: 'e' }).values).toEqual(['e']);
    expect(decided(profile, examined('d'), {}).values).toEqual(['d']);
  });

  it.each(['serial', 'model', 'vendorId', 'productId', 'site', 'deviceId'] as const)(
    'take row.%s',
    (field) => {
      const profile = withSubject('commonName', { from: [`row.${field}`] });
      expect(decided(profile, examined(''), { [field]: '12AB' }).values).toEqual(['12AB']);
    },
  );

  it('may be absent where they are not required', () => {
    const optional = withSubject('title', { from: ['row.model'], required: false });
    expect(decided(optional, examined('d'), {})).toEqual({
      verdict: 'accepted: ',
      deviceId: 'd',
      values: [''],
    });
    const required = withSubject('title', { from: ['row.model', 'row.site'] });
    expect(decided(required, examined('d'), {}).verdict).toBe(
      'SUBJECT_MISMATCH: subject.title[0] needs a value from row.model or row.site: ' +
        'none is present',
    );
  });

  const rules: readonly (readonly [string, Profile, string, string])[] = [
    ['the whole pattern', withSubject('title', { pattern: 'a|b' }), 'a', 'ab'],
    // A matcher that backtracks is at it for hours.
    [
      'a pattern, in no time',
      withSubject('title', { pattern: '(?:q|z|qz)+x' }),
      'qzx',
      'qz'.repeat(60),
    ],
    [
      'maxLength in characters',
      withSubject('title', { maxLength: 2 }),
      '\u{1f600}\u{1f600}',
      'abc',
    ],
    ['PrintableString', withSubject('title', {}, 'printable'), 'A (1)', 'a_b'],
    ['IA5String', withSubject('title', {}, 'ia5'), 'a_b', '\u00e4'],
    ['country codes', withSubject('countryName', {}), 'DE', 'DEU'],
    ['Matter ids', withSubject('matterVendorId', {}), 'FFF1', 'fff1'],
    ['no control characters', withSubject('title', {}), 'ab', 'a\u0000b'],
    ['dNSName', withName({ type: 'dNSName', value: fromDevice }), 'a-1.example.com', 'a_1.example'],
    [
      'uniformResourceIdentifier',
      withName({ type: 'uniformResourceIdentifier', value: fromDevice }),
      'urn:dev:1',
      'no uri',
    ],
    ['rfc822Name', withName({ type: 'rfc822Name', value: fromDevice }), 'a@b.example', 'a@'],
    [
      'hex',
      withName({ type: 'hardwareModuleName', hwType: '1.2.3', hex: true, value: fromDevice }),
      '00fF',
      '0f0',
    ],
  ];
  it.each(rules)('keep the rule of %s', (_, profile, good, bad) => {
    expect(decided(profile, examined(good)).verdict).toBe('accepted: ');
    expect(decided(profile, examined(bad)).verdict).toMatch(/^SUBJECT_MISMATCH: the value '/);
  });

  it('are UTF-8 octets, or the octets that hex stands for', () => {
    const text = withName({
      type: 'hardwareModuleName',
      hwType: '1.2.3',
      hex: false,
      value: fromDevice,
    });
    expect(decided(text, examined('00ff')).values).toEqual(['00ff']);
    expect(decided(withSubject('title', {}), examined('\u00e4')).values).toEqual(['\u00c3\u00a4']);
    const hex = withName({
      type: 'hardwareModuleName',
      hwType: '1.2.3',
      hex: true,
      value: { from: ['row.serial', 'deviceId'], required: true },
    });
    // Hex is compared as octets: upper and lower case agree.
    expect(decided(hex, examined('00ff'), { serial: '00FF' }).values).toEqual(['\u0000\u00ff']);
  });

  it('of a real request stand in the order of profileSlots', () => {
    const profile = aProfile({}, 'matter-dac');
    const request = aCsr({
      subject: aName(
        attribute(oids.matter_at_productId, '8000'),
        attribute(oids.matter_at_vendorId, 'FFF1'),
        attribute(oids.id_at_commonName, 'device-1'),
      ),
    });
    expect(profileSlots(profile).map(({ name }) => name)).toEqual([
      'subject.commonName[0]',
      'subject.matterVendorId[1]',
      'subject.matterProductId[2]',
    ]);
    const row = { deviceId: 'device-1', vendorId: 'FFF1' };
    expect(decided(profile, examine([request], profile), row).values).toEqual([
      'device-1',
      'FFF1',
      '8000',
    ]);
    const other = { deviceId: 'device-1', vendorId: 'FFF2' };
    expect(decided(profile, examine([request], profile), other).verdict).toMatch(
      /^SUBJECT_MISMATCH: for subject.matterVendorId\[1\], row.vendorId is 'FFF2'/,
    );
  });

  it('keep the case of a device id that is told apart without it', () => {
    const profile = aProfile({}, 'azure-dps');
    const { verdict, deviceId, values } = decided(profile, examined('Line-7:UNIT'));
    expect([verdict, deviceId, values]).toEqual(['accepted: ', 'line-7:unit', ['Line-7:UNIT']]);
    const exact = aProfile({}, 'aws-iot');
    expect(exact.deviceIdIgnoresCase).toBeUndefined();
    expect(decided(exact, examined('Line-7:UNIT', ['Line-7:UNIT', 'S'])).deviceId).toBe(
      'Line-7:UNIT',
    );
  });

  it('are those of the issuer, where they are ids of Matter', () => {
    const profile = aProfile({}, 'matter-dac');
    const under = (heldIds: { vendorId?: string; productId?: string }): string => {
      const row = { deviceId: 'device-1', vendorId: 'FFF1', productId: '8000' };
      const result = applyAllowList(profile, examined('device-1'), [row], heldIds);
      return `${rejectionCodeOf(result.codes[0] ?? 0) ?? 'accepted'}: ${result.details[0] ?? ''}`;
    };
    expect(under({})).toBe('accepted: ');
    expect(under({ vendorId: 'FFF1' })).toBe('accepted: ');
    expect(under({ vendorId: 'FFF1', productId: '8000' })).toBe('accepted: ');
    expect(under({ vendorId: 'FFF2' })).toBe(
      'SUBJECT_MISMATCH: the vendor id FFF1 is not that of the issuer, FFF2',
    );
    expect(under({ vendorId: 'FFF1', productId: '8001' })).toBe(
      'SUBJECT_MISMATCH: the product id 8000 is not that of the issuer, 8001',
    );
  });

  it('take the hwSerialNum of a request as octets', () => {
    const profile = withName({
      type: 'hardwareModuleName',
      hwType: '1.2.3',
      hex: true,
      value: { from: ['csr.san.hardwareSerialNumber'], required: true },
    });
    const san = encodeSequence(hardwareSan('1.2.3', Buffer.from('00ff', 'hex')));
    const request = aCsr({ extensions: [extension(oids.id_ce_subjectAltName, san)] });
    expect(decided(profile, examine([request], profile)).values).toEqual(['\u0000\u00ff']);
  });
});

describe('the draft of the verdict', () => {
  it('is a verdict that can be encoded, aligned and with rejections kept', () => {
    const profile = aProfile({}, 'idevid');
    const good = aCsr({ subject: aName(attribute(oids.id_at_serialNumber, 'SN-1')) });
    const examination = examine([good, Buffer.of(1), good, good], profile);
    const rows = [{ deviceId: 'SN-1' }, undefined, undefined, { deviceId: 'SN-1', serial: 'X' }];
    const draft = draftVerdict(applyAllowList(profile, examination, rows));
    expect(draft.codes.map((code) => rejectionCodeOf(code))).toEqual([
      undefined,
      'CSR_DER_MALFORMED',
      'DEVICE_NOT_AUTHORIZED',
      'SUBJECT_MISMATCH',
    ]);
    expect(draft.valuesPerRequest).toBe(2);
    expect(draft.values).toHaveLength(8);
    expect(draft.udids).toHaveLength(128);
    const decoded = decodeVerdict(encodeVerdict(draft));
    expect(decoded.codes).toEqual(draft.codes);
    expect(decoded.details).toEqual(draft.details);
    expect(decoded.deviceIds).toEqual(draft.deviceIds);
    expect(decoded.values.map((value) => Buffer.from(value).toString())).toEqual([
      'SN-1',
      'SN-1',
      ...new Array<string>(6).fill(''),
    ]);
  });

  it('is worked out in turns where patterns and values are made to take long: others go on meanwhile', async () => {
    const slow = '(?:a|b)*a(?:a|b){900}c';
    const profile = withSubject('title', { pattern: slow, maxLength: 550 });
    // Half a second of work, on any machine many times what a turn is.
    const random = seededText(120, 360);
    const many = {
      codes: random.map(() => 0),
      details: random.map(() => ''),
      udids: Buffer.alloc(32 * random.length),
      deviceIds: random,
      csrValues: random.map(() => []),
    };
    const inPlace = applyAllowList(profile, many, undefined);
    /** Whether others had to wait for half of the time that all of it took. */
    const heldOthersUp = async (): Promise<boolean> => {
      let longest = 0;
      let last = performance.now();
      const look = (): void => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      };
      const watch = setInterval(look, 1);
      const begun = performance.now();
      const inTurns = await applyAllowListInTurns(profile, many, undefined);
      const took = performance.now() - begun;
      // Where nobody else had a turn, this is the first look.
      look();
      clearInterval(watch);
      expect(inTurns).toEqual(inPlace);
      return longest >= took / 2;
    };
    // On busy cores a turn may have to wait itself: who takes none holds them up each time.
    let times = 0;
    while (times < 5 && (await heldOthersUp())) times += 1;
    expect(times).toBeLessThan(5);
  });

  it('of no requests has none', () => {
    const empty = { codes: [], details: [], udids: Buffer.of(), deviceIds: [], csrValues: [] };
    expect(draftVerdict(applyAllowList(aProfile(), empty, [])).valuesPerRequest).toBe(0);
  });
});

/** Texts of a and b that look random and are the same each time. */
function seededText(length: number, count: number): readonly string[] {
  let seed = 1;
  const letter = (): string => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % 2 === 0 ? 'a' : 'b';
  };
  return Array.from({ length: count }, () => Array.from({ length }, letter).join(''));
}
