/**
 * A certificate profile after validation: immutable, content-addressed by the SHA-256 of its
 * canonical JSON. What it may say is documented in docs/profiles.md; profile files are YAML.
 */

/** Key types that a profile can accept; RSA by modulus size range. */
export type ProfileKey =
  | {
      readonly type:
        'ec-p256' | 'ec-p384' | 'ec-p521' | 'ed25519' | 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';
    }
  | { readonly type: 'rsa'; readonly minBits: number; readonly maxBits: number };

export type SignatureHash = 'sha256' | 'sha384' | 'sha512';

/**
 * Where a variable value comes from. Of several sources all that are present must agree (else
 * SUBJECT_MISMATCH), and the first that is present gives the value. `deviceId` and `udid` are always
 * present: behind other sources they count only where those are absent.
 * `row.*`: the allow-list row. `csr.subject.*`: the attribute of the request's subject (exactly one).
 * `csr.san.*`: that kind of name of the requested subjectAltName (exactly one; hwSerialNum as hex).
 */
export type ValueSource =
  | 'deviceId'
  | 'udid'
  | 'row.deviceId'
  | 'row.serial'
  | 'row.model'
  | 'row.vendorId'
  | 'row.productId'
  | 'row.site'
  | 'csr.subject.commonName'
  | 'csr.subject.serialNumber'
  | 'csr.subject.organizationName'
  | 'csr.subject.organizationalUnitName'
  | 'csr.subject.countryName'
  | 'csr.subject.stateOrProvinceName'
  | 'csr.subject.localityName'
  | 'csr.subject.dnQualifier'
  | 'csr.subject.matterVendorId'
  | 'csr.subject.matterProductId'
  | 'csr.san.hardwareSerialNumber';

/** A value of a certificate field: fixed in the profile, or from sources with a rule. */
export type FieldValue =
  | { readonly fixed: string }
  | {
      readonly from: readonly ValueSource[];
      /** Absent sources: true rejects the request, false leaves the field out. */
      readonly required: boolean;
      /** The whole value must match (RegExp source, anchored by us). */
      readonly pattern?: string;
      /** Upper bound in characters (RFC 5280 appendix A.1 ub-*). */
      readonly maxLength?: number;
      /** For the sample certificate at admission, where `pattern` admits none of the usual values. */
      readonly example?: string;
    };

export type SubjectAttributeType =
  | 'commonName'
  | 'serialNumber'
  | 'countryName'
  | 'organizationName'
  | 'organizationalUnitName'
  | 'localityName'
  | 'stateOrProvinceName'
  | 'title'
  | 'dnQualifier'
  | 'domainComponent'
  | 'matterVendorId'
  | 'matterProductId';

export interface SubjectAttribute {
  readonly type: SubjectAttributeType;
  readonly value: FieldValue;
  readonly encoding: 'utf8' | 'printable' | 'ia5';
}

export type SubjectAltName =
  | {
      readonly type: 'dNSName' | 'uniformResourceIdentifier' | 'rfc822Name';
      readonly value: FieldValue;
    }
  /** RFC 4108 5: hwSerialNum holds the value's UTF-8 octets, or its bytes where `hex`. */
  | {
      readonly type: 'hardwareModuleName';
      readonly hwType: string;
      readonly value: FieldValue;
      readonly hex: boolean;
    };

export type KeyUsageBit =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** The value comes from the status addresses of whichever issuer signs. */
export interface FromIssuer {
  readonly from: 'issuer';
}

export interface ProfileExtensions {
  readonly basicConstraints?: { readonly ca: false; readonly critical: boolean };
  readonly keyUsage?: { readonly bits: readonly KeyUsageBit[]; readonly critical: boolean };
  /** OIDs. */
  readonly extKeyUsage?: { readonly purposes: readonly string[]; readonly critical: boolean };
  readonly subjectAltName?: {
    readonly names: readonly SubjectAltName[];
    readonly critical: boolean;
  };
  /** 'sha1': RFC 5280 4.2.1.2 (1); 'rfc7093-sha256': RFC 7093 2 (1). */
  readonly subjectKeyIdentifier?: { readonly method: 'sha1' | 'rfc7093-sha256' };
  readonly authorityKeyIdentifier?: true;
  readonly certificatePolicies?: {
    readonly policies: readonly string[];
    readonly critical: boolean;
  };
  /** Places of one CRL, or the shard's of the issuer (ADR 0020); left out where it has no addresses. */
  readonly crlDistributionPoints?: { readonly uris: readonly string[] } | FromIssuer;
  readonly authorityInfoAccess?:
    { readonly ocsp: readonly string[]; readonly caIssuers: readonly string[] } | FromIssuer;
  /** Fixed further extensions: DER of extnValue's content in hex. */
  readonly custom?: readonly {
    readonly oid: string;
    readonly critical: boolean;
    readonly valueDerHex: string;
  }[];
}

/** What happens to what a CSR asks for and the profile does not take from it. */
export interface CsrPolicy {
  /** Subject attributes that no field takes: left out of the certificate, or SUBJECT_MISMATCH. */
  readonly otherSubjectAttributes: 'ignore' | 'reject';
  /**
   * Requested extensions that may stand in a CSR without effect, by name
   * (keyUsage, extKeyUsage, basicConstraints, subjectAltName, subjectKeyIdentifier, ...) or OID;
   * any other is EXTENSION_FORBIDDEN (subjectAltName: SAN_FORBIDDEN). A CSR that asks to be a CA is always refused.
   */
  readonly ignoredExtensions: readonly string[];
}

/** Standards and services whose rules a profile can promise to keep: what admission then asks for. */
export const profileStandards = [
  'ieee-802.1ar-idevid',
  'ieee-802.1ar-ldevid',
  'matter-dac',
  'wi-sun-fan',
  'aws-iot',
  'azure-dps',
  'tls-server',
  'tls-client',
  'code-signing',
  'short-lived',
  'ocsp-responder',
  'crl-signer',
] as const;
export type ProfileStandard = (typeof profileStandards)[number];

export interface Profile {
  readonly name: string;
  readonly version: number;
  readonly description: string;
  /** A standard whose rules the certificates must keep beside RFC 5280. */
  readonly conformsTo?: ProfileStandard;
  readonly keys: readonly ProfileKey[];
  /** Hashes allowed in the CSR's signature (Ed25519 and ML-DSA have none and are judged by their key type). */
  readonly signatureHashes: readonly SignatureHash[];
  /** Where the device id comes from when the upload gives none; both present must agree. */
  readonly deviceIdFrom: readonly ValueSource[];
  /** Ids that differ in the case of ASCII letters only are one device, whose id is in lower case. */
  readonly deviceIdIgnoresCase?: true;
  readonly validity: {
    /** Subtracted from receivedAt: devices with a slow clock. */
    readonly backdateSeconds: number;
    /** Seconds after notBefore (inclusive, RFC 5280 4.1.2.5), or a fixed instant such as 9999-12-31T23:59:59Z. */
    readonly notAfter: { readonly seconds: number } | { readonly at: string };
  };
  readonly subject: readonly SubjectAttribute[];
  readonly extensions: ProfileExtensions;
  readonly csr: CsrPolicy;
  /** Parameters of a provisioning template of AWS that the certificates have to fill. */
  readonly jitpParameters?: readonly string[];
  /** Upper bound of the certificate's DER (Matter: 600). */
  readonly maxCertificateBytes?: number;
  /** A chunk that waited longer for its issuer is rejected (ISSUER_UNAVAILABLE). */
  readonly maxWaitSeconds: number;
}

/** The variable values of a profile in their one fixed order: subject attributes, then SANs, as they stand. */
export interface ProfileSlot {
  /** E.g. `subject.commonName[0]`, `subjectAltName.hardwareModuleName[0]`. */
  readonly name: string;
  readonly value: Extract<FieldValue, { readonly from: readonly ValueSource[] }>;
}

export function profileSlots(profile: Profile): readonly ProfileSlot[] {
  const fields: [string, FieldValue][] = [
    ...profile.subject.map((a, i): [string, FieldValue] => [
      `subject.${a.type}[${String(i)}]`,
      a.value,
    ]),
    ...(profile.extensions.subjectAltName?.names ?? []).map((n, i): [string, FieldValue] => [
      `subjectAltName.${n.type}[${String(i)}]`,
      n.value,
    ]),
  ];
  return fields.flatMap(([name, value]) => ('from' in value ? [{ name, value }] : []));
}

/** The `csr.*` sources a profile uses, each once, in first-use order: the columns of Examination.csrValues. */
export function csrSources(profile: Profile): readonly ValueSource[] {
  const all = [
    ...profile.deviceIdFrom,
    ...profileSlots(profile).flatMap((slot) => slot.value.from),
  ];
  return [...new Set(all.filter((source) => source.startsWith('csr.')))];
}
