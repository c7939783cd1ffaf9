import { leastRsaBits } from '../ca-key-types.js';
import { type Contradiction, parseYaml } from '../yaml/parse-yaml.js';
import { durationSeconds } from './durations.js';
import { type PatternField, patternFaults } from './field-patterns.js';
import { extKeyPurposes, type ProfileFile, profileFileSchema } from './profile-file.js';
import type {
  FieldValue,
  Profile,
  ProfileExtensions,
  ProfileKey,
  SubjectAltName,
  SubjectAttribute,
  SubjectAttributeType,
} from './profile.js';
import { subjectAttributeBounds } from './subject-attribute-bounds.js';

/** Far above any sensible profile, far below what a YAML parser takes long for. */
const maxProfileCharacters = 64 * 1024;
const maxProfileTokens = 10_000;
const defaultMaxWait = '7d';

/** RFC 5280 A.1: these three are PrintableString, domainComponent is IA5String; 4.1.2.4: else UTF-8. */
const attributeEncodings: Partial<Record<SubjectAttributeType, SubjectAttribute['encoding']>> = {
  serialNumber: 'printable',
  countryName: 'printable',
  dnQualifier: 'printable',
  domainComponent: 'ia5',
};

const alternativeNameBounds: Readonly<Record<SubjectAltName['type'], number>> = {
  dNSName: 253,
  uniformResourceIdentifier: 1_024,
  rfc822Name: 254,
  hardwareModuleName: 128,
};

/**
 * Reads a profile file.
 * @param fileName stands in the messages only.
 * Throws PROFILE_INVALID with one `file:line: reason` per problem, in the order of their lines.
 */
export function parseProfile(text: string, fileName: string): Profile {
  const file = parseYaml(text, {
    fileName,
    kind: 'profile',
    code: 'PROFILE_INVALID',
    maxCharacters: maxProfileCharacters,
    maxTokens: maxProfileTokens,
    schema: profileFileSchema,
    contradictionsOf,
  });
  return profileOf(file);
}

/** What no single key shows. */
function contradictionsOf(file: ProfileFile): Contradiction[] {
  const found: Contradiction[] = [];
  file.keys.forEach((text, index) => {
    const key = profileKeyOf(text);
    if (key.type !== 'rsa') return;
    // node:crypto is slow to useless above.
    if (key.minBits < leastRsaBits || key.maxBits > 16_384 || key.minBits > key.maxBits) {
      found.push({
        path: ['keys', index],
        reason: `RSA sizes go from ${String(leastRsaBits)} to 16384 bits, upwards`,
      });
    }
  });
  if (new Set(file.keys).size < file.keys.length) {
    found.push({ path: ['keys'], reason: 'a key type stands twice' });
  }
  if (file.keys.filter((key) => key.startsWith('rsa')).length > 1) {
    found.push({ path: ['keys'], reason: 'RSA stands twice; give one range' });
  }
  found.push(
    ...patternFaults([
      ...patternFields(['subject'], file.subject, ({ type }) => subjectAttributeBounds[type]),
      ...patternFields(
        ['extensions', 'subjectAltName', 'names'],
        file.extensions.subjectAltName?.names ?? [],
        ({ type }) => alternativeNameBounds[type],
      ),
    ]),
  );
  const circular = file.deviceId?.from.findIndex((from) => from === 'deviceId') ?? -1;
  if (circular >= 0) {
    found.push({ path: ['deviceId', 'from', circular], reason: 'the device id is its own source' });
  }
  return found;
}

interface Field {
  readonly pattern?: string | undefined;
  readonly maxLength?: number | undefined;
  readonly example?: string | undefined;
}

function patternFields<F extends Field>(
  path: readonly string[],
  fields: readonly F[],
  boundOf: (field: F) => number,
): readonly PatternField[] {
  return fields.flatMap((field, index) => {
    const { pattern, maxLength = boundOf(field), example } = field;
    return pattern === undefined ? [] : [{ path: [...path, index], pattern, maxLength, example }];
  });
}

function profileOf(file: ProfileFile): Profile {
  const { validity } = file;
  return {
    name: file.name,
    version: file.version,
    description: file.description,
    ...(file.conformsTo === undefined ? {} : { conformsTo: file.conformsTo }),
    keys: file.keys.map(profileKeyOf),
    signatureHashes: file.signatureHashes,
    deviceIdFrom: file.deviceId?.from ?? [],
    ...(file.deviceId?.ignoreCase === true ? { deviceIdIgnoresCase: true } : {}),
    validity: {
      backdateSeconds: durationSeconds(validity.backdate ?? '0s'),
      notAfter:
        validity.notAfter === undefined
          ? { seconds: durationSeconds(validity.lifetime ?? '') }
          : { at: validity.notAfter },
    },
    subject: file.subject.map((attribute) => ({
      type: attribute.type,
      value: fieldValueOf(attribute, subjectAttributeBounds[attribute.type]),
      encoding: attribute.encoding ?? attributeEncodings[attribute.type] ?? 'utf8',
    })),
    extensions: extensionsOf(file.extensions),
    csr: file.csr,
    ...(file.jitpParameters === undefined ? {} : { jitpParameters: file.jitpParameters }),
    ...(file.maxCertificateBytes === undefined
      ? {}
      : { maxCertificateBytes: file.maxCertificateBytes }),
    maxWaitSeconds: durationSeconds(file.maxWait ?? defaultMaxWait),
  };
}

function profileKeyOf(text: string): ProfileKey {
  if (!text.startsWith('rsa-')) {
    return { type: text as Exclude<ProfileKey['type'], 'rsa'> };
  }
  const [minBits = '', maxBits = minBits] = text.slice('rsa-'.length).split('..');
  return { type: 'rsa', minBits: Number(minBits), maxBits: Number(maxBits) };
}

function fieldValueOf(
  field: Pick<
    ProfileFile['subject'][number],
    'value' | 'from' | 'required' | 'pattern' | 'maxLength' | 'example'
  >,
  bound: number,
): FieldValue {
  if (field.value !== undefined) return { fixed: field.value };
  return {
    from: field.from ?? [],
    required: field.required ?? true,
    ...(field.pattern === undefined ? {} : { pattern: field.pattern }),
    maxLength: field.maxLength ?? bound,
    ...(field.example === undefined ? {} : { example: field.example }),
  };
}

function extensionsOf(file: ProfileFile['extensions']): ProfileExtensions {
  const names = file.subjectAltName;
  return {
    ...(file.basicConstraints === undefined
      ? {}
      : { basicConstraints: { ca: false as const, critical: file.basicConstraints.critical } }),
    ...(file.keyUsage === undefined ? {} : { keyUsage: file.keyUsage }),
    ...(file.extKeyUsage === undefined
      ? {}
      : {
          extKeyUsage: {
            purposes: file.extKeyUsage.purposes.map(purposeOid),
            critical: file.extKeyUsage.critical,
          },
        }),
    ...(names === undefined
      ? {}
      : {
          subjectAltName: { names: names.names.map(alternativeNameOf), critical: names.critical },
        }),
    ...(file.subjectKeyIdentifier === undefined
      ? {}
      : { subjectKeyIdentifier: { method: file.subjectKeyIdentifier } }),
    ...(file.authorityKeyIdentifier === true ? { authorityKeyIdentifier: true as const } : {}),
    ...(file.certificatePolicies === undefined
      ? {}
      : { certificatePolicies: file.certificatePolicies }),
    ...statusExtensionsOf(file),
    ...(file.custom === undefined
      ? {}
      : {
          custom: file.custom.map((extension) => ({
            ...extension,
            valueDerHex: extension.valueDerHex.toLowerCase(),
          })),
        }),
  };
}

function statusExtensionsOf({
  crlDistributionPoints: points,
  authorityInfoAccess: access,
}: ProfileFile['extensions']): Pick<
  ProfileExtensions,
  'crlDistributionPoints' | 'authorityInfoAccess'
> {
  return {
    ...(points === undefined
      ? {}
      : { crlDistributionPoints: points === 'issuer' ? { from: points } : { uris: points } }),
    ...(access === undefined
      ? {}
      : {
          authorityInfoAccess:
            access === 'issuer'
              ? { from: access }
              : { ocsp: access.ocsp ?? [], caIssuers: access.caIssuers ?? [] },
        }),
  };
}

function purposeOid(name: string): string {
  return Object.hasOwn(extKeyPurposes, name)
    ? extKeyPurposes[name as keyof typeof extKeyPurposes]
    : name;
}

function alternativeNameOf(
  name: NonNullable<ProfileFile['extensions']['subjectAltName']>['names'][number],
): SubjectAltName {
  const value = fieldValueOf(name, alternativeNameBounds[name.type]);
  return name.type === 'hardwareModuleName'
    ? { type: name.type, hwType: name.hwType ?? '', value, hex: name.hex ?? false }
    : { type: name.type, value };
}
