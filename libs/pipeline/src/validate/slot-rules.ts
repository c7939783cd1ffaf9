import { hasControlCharacters, isPrintable } from '@certmill/der';
import type { FieldValue, Profile, ProfileSlot, ValueSource } from '@certmill/domain';
import { profileSlots } from '@certmill/domain';
import { ValuePattern } from '@certmill/domain/value-pattern';

/** One variable field of a profile, with the rules that its values must keep. */
export interface SlotRule {
  /** As in profileSlots, e.g. `subject.commonName[0]`. */
  readonly name: string;
  readonly from: readonly ValueSource[];
  readonly required: boolean;
  /** The value is octets written in hex: compared and encoded as such. */
  readonly isHex: boolean;
  /** What is wrong with a value, as a clause; undefined for a good one. */
  readonly objection: (value: string) => string | undefined;
}

type Check = (value: string) => string | undefined;

function matches(pattern: RegExp, expectation: string): Check {
  return (value) => (pattern.test(value) ? undefined : expectation);
}

const printable: Check = (value) =>
  isPrintable(value) ? undefined : 'has characters that PrintableString does not allow';

const ia5 = matches(/^[ -~]*$/, 'has characters that are not ASCII');

const matterDigits = matches(/^[0-9A-F]{4}$/, 'is not four upper-case hex digits');

const hexOctets = matches(/^(?:[0-9a-f]{2})+$/, 'is not octets in hex');

/** RFC 5280 4.2.1.6: the preferred name syntax of RFC 1034 3.5, with RFC 1123 2.1. */
const dnsName = matches(
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
  'is not a DNS name',
);

/** RFC 5280 4.2.1.6: absolute, with a scheme and a part that follows it (RFC 3986 3). */
const absoluteUri = matches(
  /^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+$/,
  'is not an absolute URI',
);

/** RFC 5280 4.2.1.6: a Mailbox of RFC 5321 4.1.2, here without quoted local parts. */
const mailbox = matches(
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/,
  'is not a mail address',
);

const noControls: Check = (value) =>
  hasControlCharacters(value) ? 'has control characters' : undefined;

/** Rules that follow from the type of the field, by slot in the order of profileSlots. */
function typeChecks(profile: Profile): { readonly checks: Check[]; readonly isHex: boolean }[] {
  const isVariable = (field: { readonly value: FieldValue }): boolean => 'from' in field.value;
  const subject = profile.subject.filter(isVariable).map(({ type, encoding }) => {
    const checks: Check[] = [];
    if (encoding === 'printable') checks.push(printable);
    if (encoding === 'ia5') checks.push(ia5);
    if (type === 'countryName') checks.push(matches(/^[A-Z]{2}$/, 'is not a country code'));
    if (type === 'matterVendorId' || type === 'matterProductId') checks.push(matterDigits);
    return { checks, isHex: false };
  });
  const names = profile.extensions.subjectAltName?.names ?? [];
  const alternatives = names.filter(isVariable).map((name) => {
    switch (name.type) {
      case 'dNSName':
        return { checks: [dnsName], isHex: false };
      case 'uniformResourceIdentifier':
        return { checks: [absoluteUri], isHex: false };
      case 'rfc822Name':
        return { checks: [mailbox], isHex: false };
      case 'hardwareModuleName':
        return { checks: name.hex ? [hexOctets] : [], isHex: name.hex };
    }
  });
  return [...subject, ...alternatives];
}

function valueChecks({ pattern: source, maxLength }: ProfileSlot['value']): Check[] {
  const checks: Check[] = [];
  if (maxLength !== undefined) {
    checks.push((value) => {
      // UTF-16 units are never fewer than characters: count those only where it could matter.
      if (value.length <= maxLength) return undefined;
      const length = Array.from(value).length;
      return length <= maxLength
        ? undefined
        : `has ${length.toString()} characters, at most ${maxLength.toString()} are allowed`;
    });
  }
  // Behind the length, which bounds what the pattern costs.
  if (source !== undefined) {
    const pattern = new ValuePattern(source);
    const objection = `does not match the pattern ${source}`;
    checks.push((value) => (pattern.matches(value) ? undefined : objection));
  }
  return checks;
}

const rulesOfProfiles = new WeakMap<Profile, readonly SlotRule[]>();

/** The rules of a profile's slots in the order of profileSlots; made once per Profile object. */
export function slotRules(profile: Profile): readonly SlotRule[] {
  let rules = rulesOfProfiles.get(profile);
  if (rules === undefined) {
    const types = typeChecks(profile);
    rules = profileSlots(profile).map(({ name, value }, i) => {
      const type = types[i];
      const checks = [noControls, ...(type?.checks ?? []), ...valueChecks(value)];
      return {
        name,
        from: value.from,
        required: value.required,
        isHex: type?.isHex ?? false,
        objection: (text) => {
          for (const check of checks) {
            const objection = check(text);
            if (objection !== undefined) return objection;
          }
          return undefined;
        },
      };
    });
    rulesOfProfiles.set(profile, rules);
  }
  return rules;
}
