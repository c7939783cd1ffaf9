import { z } from 'zod';
import { durationPattern } from './durations.js';
import {
  type KeyUsageBit,
  profileStandards,
  type SignatureHash,
  type SubjectAttributeType,
  type ValueSource,
} from './profile.js';

/**
 * The form of a profile file (YAML) before it becomes a `Profile`. Only what can be told key by key, and at once,
 * is judged here; whether the certificates would be good is the sample's to show (admission).
 */

/** Of a list: far above any sensible profile, far below what takes long to encode. */
const maxItems = 100;
/** Of an object identifier as text: longer ones take long to encode. */
const maxOidLength = 128;

const valueSources = [
  'deviceId',
  'udid',
  'row.deviceId',
  'row.serial',
  'row.model',
  'row.vendorId',
  'row.productId',
  'row.site',
  'csr.subject.commonName',
  'csr.subject.serialNumber',
  'csr.subject.organizationName',
  'csr.subject.organizationalUnitName',
  'csr.subject.countryName',
  'csr.subject.stateOrProvinceName',
  'csr.subject.localityName',
  'csr.subject.dnQualifier',
  'csr.subject.matterVendorId',
  'csr.subject.matterProductId',
  'csr.san.hardwareSerialNumber',
] as const satisfies readonly ValueSource[];

const attributeTypes = [
  'commonName',
  'serialNumber',
  'countryName',
  'organizationName',
  'organizationalUnitName',
  'localityName',
  'stateOrProvinceName',
  'title',
  'dnQualifier',
  'domainComponent',
  'matterVendorId',
  'matterProductId',
] as const satisfies readonly SubjectAttributeType[];

const keyUsageBits = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const satisfies readonly KeyUsageBit[];

const signatureHashes = ['sha256', 'sha384', 'sha512'] as const satisfies readonly SignatureHash[];

const oidPattern = /^[0-2](\.(0|[1-9][0-9]*))+$/;

/** RFC 5280 4.1.1.2 leaves object identifiers open; these have names in a profile file. */
export const extKeyPurposes = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  OCSPSigning: '1.3.6.1.5.5.7.3.9',
  // Wi-SUN Alliance enterprise number 45605: id-kp-wisun-fan-device.
  wisunFanDevice: '1.3.6.1.4.1.45605.1',
  anyExtendedKeyUsage: '2.5.29.37.0',
} as const;

/** Extensions of a CSR that a profile file may name; any other goes by its OID. */
export const requestedExtensionNames = [
  'keyUsage',
  'extKeyUsage',
  'basicConstraints',
  'subjectAltName',
  'issuerAltName',
  'subjectKeyIdentifier',
  'authorityKeyIdentifier',
  'certificatePolicies',
  'cRLDistributionPoints',
  'authorityInfoAccess',
  'tlsFeature',
] as const;

const oid = z
  .string()
  .max(maxOidLength)
  .regex(oidPattern, 'expected an object identifier such as 1.3.6.1.4.1.4128.1');

const duration = z
  .string()
  .regex(durationPattern, 'expected a duration such as 90s, 5m, 12h, 30d, 2w or 20y');

const keys = z
  .string()
  .regex(
    /^(ec-p256|ec-p384|ec-p521|ed25519|ml-dsa-(44|65|87)|rsa-[1-9][0-9]{3,4}(\.\.[1-9][0-9]{3,4})?)$/,
    'expected ec-p256, ec-p384, ec-p521, ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87, rsa-<bits> ' +
      'or rsa-<bits>..<bits>',
  );

const source = z.enum(valueSources);

/** `value` makes the field fixed; `from` takes it from sources. */
const fieldValue = {
  value: z.string().min(1).max(32_768).optional().describe('Fixed value.'),
  from: z
    .array(source)
    .min(1)
    .optional()
    .describe('Sources; all that are present must agree, the first gives the value.'),
  required: z
    .boolean()
    .optional()
    .describe(
      'With `from`: reject the request where no source is present (default), or leave out.',
    ),
  pattern: z
    .string()
    .min(1)
    .max(512)
    .optional()
    .describe('With `from`: regular expression for the whole value, in the syntax of RE2.'),
  maxLength: z
    .int()
    .min(1)
    .max(32_768)
    .optional()
    .describe('With `from`: upper bound in characters; by default that of RFC 5280 A.1.'),
  example: z
    .string()
    .min(1)
    .max(32_768)
    .optional()
    .describe('With `from` and `pattern`: a value for the sample certificate.'),
};

interface FieldForm {
  readonly value?: string | undefined;
  readonly from?: readonly string[] | undefined;
  readonly required?: boolean | undefined;
  readonly pattern?: string | undefined;
  readonly maxLength?: number | undefined;
  readonly example?: string | undefined;
}

function checkField(field: FieldForm, context: z.RefinementCtx): void {
  const refuse = (key: string, message: string) => {
    context.addIssue({ code: 'custom', path: [key], message });
  };
  if (field.value !== undefined) {
    for (const key of ['from', 'required', 'pattern', 'maxLength', 'example'] as const) {
      if (field[key] !== undefined) refuse(key, `'${key}' contradicts the fixed 'value'`);
    }
    return;
  }
  if (field.from === undefined) {
    context.addIssue({ code: 'custom', message: "expected a fixed 'value' or sources in 'from'" });
    return;
  }
  if (new Set(field.from).size < field.from.length) refuse('from', 'a source stands twice');
}

const subjectAttribute = z
  .strictObject({
    type: z.enum(attributeTypes),
    ...fieldValue,
    encoding: z
      .enum(['utf8', 'printable', 'ia5'])
      .optional()
      .describe('String type; by default the one that RFC 5280 A.1 asks for.'),
  })
  .superRefine(checkField);

const subjectAltName = z
  .strictObject({
    type: z.enum(['dNSName', 'uniformResourceIdentifier', 'rfc822Name', 'hardwareModuleName']),
    ...fieldValue,
    hwType: oid.optional().describe('hardwareModuleName only: hwType of RFC 4108 5.'),
    hex: z
      .boolean()
      .optional()
      .describe('hardwareModuleName only: the value is hex of hwSerialNum (default: its text).'),
  })
  .superRefine((name, context) => {
    checkField(name, context);
    const isHardware = name.type === 'hardwareModuleName';
    if (isHardware && name.hwType === undefined) {
      context.addIssue({ code: 'custom', message: "a hardwareModuleName needs 'hwType'" });
    }
    for (const key of ['hwType', 'hex'] as const) {
      if (!isHardware && name[key] !== undefined) {
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `'${key}' belongs to hardwareModuleName only`,
        });
      }
    }
    if (name.hex === true && name.value !== undefined && !/^([0-9a-f]{2})+$/i.test(name.value)) {
      context.addIssue({ code: 'custom', path: ['value'], message: 'expected hex octets' });
    }
  });

const extensions = z.strictObject({
  basicConstraints: z
    .strictObject({ ca: z.literal(false).optional(), critical: z.boolean() })
    .optional(),
  keyUsage: z
    .strictObject({ bits: z.array(z.enum(keyUsageBits)), critical: z.boolean() })
    .optional(),
  extKeyUsage: z
    .strictObject({
      purposes: z
        .array(
          z
            .string()
            .max(maxOidLength)
            .refine(
              (name) => Object.hasOwn(extKeyPurposes, name) || oidPattern.test(name),
              `expected an object identifier or one of ${Object.keys(extKeyPurposes).join(', ')}`,
            ),
        )
        .max(maxItems),
      critical: z.boolean(),
    })
    .optional(),
  subjectAltName: z
    .strictObject({ names: z.array(subjectAltName).max(maxItems), critical: z.boolean() })
    .optional(),
  subjectKeyIdentifier: z.enum(['sha1', 'rfc7093-sha256']).optional(),
  authorityKeyIdentifier: z.boolean().optional(),
  certificatePolicies: z
    .strictObject({ policies: z.array(oid).max(maxItems), critical: z.boolean() })
    .optional(),
  crlDistributionPoints: z
    .union([z.literal('issuer'), z.array(z.string().min(1).max(2_048)).max(maxItems)], {
      error: "expected 'issuer' or a list of URIs",
    })
    .optional(),
  authorityInfoAccess: z
    .union(
      [
        z.literal('issuer'),
        z.strictObject({
          ocsp: z.array(z.string().min(1).max(2_048)).max(maxItems).optional(),
          caIssuers: z.array(z.string().min(1).max(2_048)).max(maxItems).optional(),
        }),
      ],
      { error: "expected 'issuer', or ocsp and caIssuers with lists of URIs" },
    )
    .optional(),
  custom: z
    .array(
      z.strictObject({
        oid,
        critical: z.boolean(),
        valueDerHex: z
          .string()
          .max(16_384)
          .regex(/^([0-9a-fA-F]{2})+$/, 'expected the DER of the extension value in hex'),
      }),
    )
    .max(maxItems)
    .optional(),
});

const utcInstantPattern = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/;

const validity = z
  .strictObject({
    backdate: duration.optional().describe('Taken off receivedAt; default 0s.'),
    lifetime: duration.optional().describe('From notBefore to notAfter, both included.'),
    notAfter: z
      .string()
      .regex(utcInstantPattern, 'expected an instant such as 9999-12-31T23:59:59Z')
      .refine((text) => isInstant(text), 'no such date or time')
      .optional()
      .describe('Fixed end; 9999-12-31T23:59:59Z means none (RFC 5280 4.1.2.5).'),
  })
  .superRefine((form, context) => {
    if ((form.lifetime === undefined) === (form.notAfter === undefined)) {
      context.addIssue({ code: 'custom', message: "expected either 'lifetime' or 'notAfter'" });
    }
    if (form.lifetime !== undefined && /^0/.test(form.lifetime)) {
      context.addIssue({ code: 'custom', path: ['lifetime'], message: 'must be above zero' });
    }
  });

/** Date accepts 2031-02-30 and moves it on: an instant is one that reads back as it was written. */
function isInstant(text: string): boolean {
  const ms = Date.parse(text);
  return !Number.isNaN(ms) && new Date(ms).toISOString().replace('.000Z', 'Z') === text;
}

export const profileFileSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
      'expected 1-63 lower-case letters, digits and inner hyphens',
    ),
  version: z.int().min(1).max(1_000_000_000).describe('A changed profile needs a new version.'),
  description: z.string().min(1).max(1_000),
  conformsTo: z
    .enum(profileStandards)
    .optional()
    .describe('A standard whose rules the certificates must keep as well.'),
  keys: z.array(keys).min(1).describe('Key types that a request may have.'),
  signatureHashes: z
    .array(z.enum(signatureHashes))
    .min(1)
    .describe('Hashes that the signature of a request may use.'),
  deviceId: z
    .strictObject({
      from: z.array(source),
      ignoreCase: z
        .boolean()
        .optional()
        .describe('Ids that differ in case only are one device; its id is in lower case.'),
    })
    .optional()
    .describe('Where the device id comes from when the upload gives none.'),
  validity,
  subject: z.array(subjectAttribute).max(maxItems),
  extensions,
  csr: z.strictObject({
    otherSubjectAttributes: z.enum(['ignore', 'reject']),
    ignoredExtensions: z
      .array(
        z
          .string()
          .max(maxOidLength)
          .refine(
            (name) =>
              (requestedExtensionNames as readonly string[]).includes(name) ||
              oidPattern.test(name),
            `expected an object identifier or one of ${requestedExtensionNames.join(', ')}`,
          ),
      )
      .max(maxItems),
  }),
  jitpParameters: z
    .array(z.string().min(1).max(100))
    .min(1)
    .max(20)
    .optional()
    .describe("Parameters of the customer's AWS provisioning template that certificates fill."),
  maxCertificateBytes: z.int().min(200).max(65_536).optional(),
  maxWait: duration.optional().describe('Longest wait for the issuer; default 7d.'),
});

export type ProfileFile = z.infer<typeof profileFileSchema>;

/** JSON Schema (draft 2020-12) of a profile file, for editors and docs/profile.schema.json. */
export function profileFileJsonSchema(): object {
  return {
    title: 'Certmill certificate profile',
    ...z.toJSONSchema(profileFileSchema, { io: 'input' }),
  };
}
