import { CertmillError, profileSlots, type Profile, type ProfileSlot } from '@certmill/domain';
import { ValuePattern } from '@certmill/domain/value-pattern';
import { type HeldMatterIds, Turns } from '@certmill/pipeline/compute';

/**
 * Values for sample certificates. A profile is judged by what it could issue, so its samples carry
 * the longest values that it lets through, none where it may, and values that are wrong for the
 * field but that no rule of the profile keeps out.
 */
export interface SampleValues {
  readonly label: string;
  /** In the order of `profileSlots`; empty where absent. */
  readonly values: readonly Uint8Array[];
}

type Source = ProfileSlot['value']['from'][number];

/** Sources whose values have one form, whoever sends them. */
const formedSources: Partial<Record<Source, string>> = {
  udid: '5e'.repeat(32),
  'row.vendorId': 'FFF1',
  'row.productId': '8000',
};

/** Usual values of a field, the best first. Hosts and mailboxes need their syntax. */
const usualByType: Readonly<Record<string, readonly string[]>> = {
  countryName: ['US'],
  matterVendorId: ['FFF1'],
  matterProductId: ['8000'],
  domainComponent: ['example'],
  dNSName: ['device-0001.devices.example.com', 'device-0001'],
  uniformResourceIdentifier: [
    'urn:uuid:6f2d1c0e-59d1-4c3e-8f7a-2b1e0d9c8a71',
    'https://devices.example.com/device-0001',
    'urn:dev:ops:32473-device-0001',
  ],
  rfc822Name: ['device-0001@devices.example.com'],
};

const usualValues = [
  'device-0001',
  'DEVICE-0001',
  'SN-0001-ABCD',
  'SN00000001',
  '6f2d1c0e-59d1-4c3e-8f7a-2b1e0d9c8a71',
  '02:00:5e:10:00:01',
  '1.2.3',
];

/** What a careless source could hold: each is a wrong name of its type. */
const wrongByType: Readonly<Record<string, readonly string[]>> = {
  countryName: ['U1'],
  domainComponent: ['two.labels', 'a b'],
  dNSName: ['device 0001', 'device_0001', '-device', 'device..example', 'a'.repeat(64)],
  uniformResourceIdentifier: ['device-0001', 'urn:device 0001', 'https:///device-0001'],
  rfc822Name: ['device-0001', 'a device@example.com', 'device@'],
};

/** Characters that device ids and serial numbers are made of; tried at many lengths. */
const fillers = ['W', 'w', '9', 'F', 'f', '0', 'A', 'a'];

/**
 * In turns, for patterns are of who asks.
 * @param ids what the issuer holds its devices to.
 * Throws PROFILE_INVALID where nothing matches a pattern and the profile gives no example.
 */
export async function sampleValuesOf(
  profile: Profile,
  ids: HeldMatterIds,
): Promise<readonly SampleValues[]> {
  const turns = new Turns();
  const slots = profileSlots(profile);
  const full: Uint8Array[] = [];
  for (const slot of slots) {
    full.push(octetsOf(profile, slot, await longestValue(profile, slot, ids, turns)));
  }
  const samples: SampleValues[] = [{ label: 'longest values', values: full }];
  if (slots.some(({ value }) => !value.required)) {
    const values = slots.map(({ value }, index) =>
      value.required ? (full[index] ?? new Uint8Array()) : new Uint8Array(),
    );
    samples.push({ label: 'optional values absent', values });
  }
  for (const [index, slot] of slots.entries()) {
    if (isFormed(slot)) continue;
    const [wrong] = await letThrough(slot, wrongByType[typeOf(slot)] ?? [], turns);
    if (wrong === undefined) continue;
    const values = full.map((value, at) => (at === index ? Buffer.from(wrong) : value));
    samples.push({
      label: `'${wrong.slice(0, 40)}' for ${slot.name}, no pattern forbids it`,
      values,
    });
  }
  return samples;
}

function typeOf(slot: ProfileSlot): string {
  return slot.name.replace(/^[^.]*\./, '').replace(/\[.*$/, '');
}

function isFormed(slot: ProfileSlot): boolean {
  return slot.value.from.every((source) => formedSources[source] !== undefined);
}

async function longestValue(
  profile: Profile,
  slot: ProfileSlot,
  ids: HeldMatterIds,
  turns: Turns,
): Promise<string> {
  const usual = await letThrough(slot, candidatesFor(profile, slot, ids), turns);
  const candidates = [...usual, ...(await longestFilled(profile, slot, turns))];
  const [longest] = candidates.sort((left, right) => right.length - left.length);
  if (longest !== undefined) return longest;
  throw new CertmillError(
    'PROFILE_INVALID',
    `profile ${profile.name}: ${slot.name}: no usual value is allowed by its rules; ` +
      "give one that is in 'example'",
  );
}

function candidatesFor(profile: Profile, slot: ProfileSlot, ids: HeldMatterIds): string[] {
  const { value } = slot;
  const held = heldValue(slot, ids);
  if (held !== undefined && isLetThrough(slot, held)) return [held];
  const formed = value.from.flatMap((source) => formedSources[source] ?? []);
  if (isFormed(slot)) return formed;
  const example = value.example === undefined ? [] : [value.example];
  const usual = usualByType[typeOf(slot)];
  if (usual !== undefined) return [...example, ...usual];
  return [...example, ...formed, ...usualValues].filter((text) => isOfForm(profile, slot, text));
}

function isOfForm(profile: Profile, slot: ProfileSlot, text: string): boolean {
  return !isHexSlot(profile, slot) || /^([0-9A-Fa-f]{2})+$/.test(text);
}

/** Steps of all patterns of a profile while fillers are tried: some 0.4 s at the worst. */
const maxFillerSteps = 10_000_000;

/** The longest of one character that the slot lets through, as far as its share of the steps goes: an example does then. */
async function longestFilled(
  profile: Profile,
  slot: ProfileSlot,
  turns: Turns,
): Promise<readonly string[]> {
  if (!isFilled(slot)) return [];
  const { pattern, maxLength = 64 } = slot.value;
  const size = pattern === undefined ? 0 : patternOf(slot.value, pattern).size;
  const sharers = profileSlots(profile).filter((each) => isFilled(each) && each.value.pattern);
  let left = maxFillerSteps / Math.max(1, sharers.length);
  for (const length of lengthsUpTo(maxLength).toReversed()) {
    for (const filler of fillers) {
      const text = filler.repeat(length);
      if (!isOfForm(profile, slot, text)) continue;
      left -= size * length;
      if (left < 0) return [];
      if (isLetThrough(slot, text)) return [text];
      if (turns.isOver) await turns.next();
    }
  }
  return [];
}

/** Whether values of one character are tried. */
function isFilled(slot: ProfileSlot): boolean {
  return !isFormed(slot) && usualByType[typeOf(slot)] === undefined;
}

/** Of long values the longest only: who demands another length gives an example. */
function lengthsUpTo(maxLength: number): readonly number[] {
  const lengths = Array.from({ length: Math.min(maxLength, 256) }, (_, index) => index + 1);
  return maxLength > 256 ? [...lengths, maxLength] : lengths;
}

/** What the issuer leaves no choice of. */
function heldValue(slot: ProfileSlot, ids: HeldMatterIds): string | undefined {
  switch (typeOf(slot)) {
    case 'matterVendorId':
      return ids.vendorId;
    case 'matterProductId':
      return ids.productId;
    default:
      return undefined;
  }
}

async function letThrough(
  slot: ProfileSlot,
  texts: readonly string[],
  turns: Turns,
): Promise<readonly string[]> {
  const passed: string[] = [];
  for (const text of texts) {
    if (isLetThrough(slot, text)) passed.push(text);
    if (turns.isOver) await turns.next();
  }
  return passed;
}

function isLetThrough(slot: ProfileSlot, text: string): boolean {
  const { pattern, maxLength } = slot.value;
  if (maxLength !== undefined && Array.from(text).length > maxLength) return false;
  return pattern === undefined || patternOf(slot.value, pattern).matches(text);
}

const patterns = new WeakMap<ProfileSlot['value'], ValuePattern>();

function patternOf(value: ProfileSlot['value'], source: string): ValuePattern {
  const known = patterns.get(value) ?? new ValuePattern(source);
  patterns.set(value, known);
  return known;
}

function octetsOf(profile: Profile, slot: ProfileSlot, text: string): Uint8Array {
  return isHexSlot(profile, slot) ? Buffer.from(text, 'hex') : Buffer.from(text, 'utf8');
}

/** Slots of a hardwareModuleName with `hex` hold octets, not text. */
function isHexSlot(profile: Profile, slot: ProfileSlot): boolean {
  const index = Number(/^subjectAltName\.hardwareModuleName\[([0-9]+)\]$/.exec(slot.name)?.[1]);
  const name = profile.extensions.subjectAltName?.names[index];
  return name?.type === 'hardwareModuleName' && name.hex;
}
