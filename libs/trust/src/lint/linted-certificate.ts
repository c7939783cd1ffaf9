import { contextConstructed, oids, tags } from '@certmill/der';
import { type DerNode, oidOf, readDerNode } from './der-node.js';

/** One attribute of a Name as it stands, whatever its value is. */
export interface LintedAttribute {
  readonly oid: string;
  readonly value: DerNode;
}

export interface LintedExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** The element inside extnValue; undefined where it is no DER. */
  readonly value: DerNode | undefined;
}

export type KeyFamily = 'ec-p256' | 'ec-other' | 'ed25519' | 'ml-dsa' | 'rsa' | 'other';

/** A certificate taken apart for the rules: shapes only, nothing is judged yet. */
export interface LintedCertificate {
  readonly der: Uint8Array;
  /** As encoded: 2 is v3; 0 where absent. */
  readonly version: number;
  readonly serialNumber: DerNode;
  readonly tbsSignatureAlgorithm: DerNode;
  readonly signatureAlgorithm: DerNode;
  readonly issuer: DerNode;
  readonly issuerAttributes: readonly LintedAttribute[];
  readonly notBefore: DerNode;
  readonly notAfter: DerNode;
  readonly subject: DerNode;
  readonly subjectAttributes: readonly LintedAttribute[];
  readonly subjectPKInfo: DerNode;
  readonly keyFamily: KeyFamily;
  readonly extensions: readonly LintedExtension[];
}

/** `Certificate` of RFC 5280 4.1; undefined where the bytes do not have that shape in DER. */
export function readLintedCertificate(der: Uint8Array): LintedCertificate | undefined {
  const certificate = readDerNode(der);
  const [tbs, signatureAlgorithm, signature, ...more] = certificate?.children ?? [];
  if (
    certificate?.tag !== tags.sequence ||
    tbs?.tag !== tags.sequence ||
    signatureAlgorithm?.tag !== tags.sequence ||
    signature?.tag !== tags.bitString ||
    more.length > 0
  ) {
    return undefined;
  }
  const fields = [...tbs.children];
  const version = fields[0]?.tag === contextConstructed(0) ? fields.shift() : undefined;
  const [serialNumber, tbsSignatureAlgorithm, issuer, validity, subject, spki] = fields;
  const [notBefore, notAfter] = validity?.children ?? [];
  if (
    serialNumber?.tag !== tags.integer ||
    tbsSignatureAlgorithm === undefined ||
    issuer === undefined ||
    notBefore === undefined ||
    notAfter === undefined ||
    subject === undefined ||
    spki === undefined
  ) {
    return undefined;
  }
  const extensions = fields.find((field) => field.tag === contextConstructed(3));
  return {
    der,
    version: version?.children[0]?.content[0] ?? 0,
    serialNumber,
    tbsSignatureAlgorithm,
    signatureAlgorithm,
    issuer,
    issuerAttributes: attributesOf(issuer),
    notBefore,
    notAfter,
    subject,
    subjectAttributes: attributesOf(subject),
    subjectPKInfo: spki,
    keyFamily: keyFamilyOf(spki),
    extensions: (extensions?.children[0]?.children ?? []).map(extensionOf),
  };
}

/** Attributes of `Name ::= SEQUENCE OF SET OF AttributeTypeAndValue`, RDN borders left out. */
export function attributesOf(name: DerNode): readonly LintedAttribute[] {
  return name.children.flatMap((rdn) =>
    rdn.children.flatMap((attribute) => {
      const [type, value] = attribute.children;
      const oid = oidOf(type);
      return oid === undefined || value === undefined ? [] : [{ oid, value }];
    }),
  );
}

function extensionOf(extension: DerNode): LintedExtension {
  const octets = extension.children.find((child) => child.tag === tags.octetString);
  return {
    oid: oidOf(extension.children[0]) ?? '',
    critical: extension.children.some(
      (child) => child.tag === tags.boolean && child.content[0] !== 0,
    ),
    value: octets === undefined ? undefined : readDerNode(octets.content),
  };
}

const mlDsaOids: readonly string[] = [oids.id_ml_dsa_44, oids.id_ml_dsa_65, oids.id_ml_dsa_87];

function keyFamilyOf(spki: DerNode): KeyFamily {
  const [algorithm, parameters] = spki.children[0]?.children ?? [];
  const oid = oidOf(algorithm);
  if (oid === oids.id_ecPublicKey) {
    return oidOf(parameters) === oids.secp256r1 ? 'ec-p256' : 'ec-other';
  }
  if (oid === oids.id_Ed25519) return 'ed25519';
  if (oid !== undefined && mlDsaOids.includes(oid)) return 'ml-dsa';
  return oid === oids.rsaEncryption ? 'rsa' : 'other';
}

/** The value of the first extension with the OID, and whether it is there at all. */
export function findExtension(
  certificate: LintedCertificate,
  oid: string,
): LintedExtension | undefined {
  return certificate.extensions.find((extension) => extension.oid === oid);
}

/** `KeyUsage` bits that are set (RFC 5280 4.2.1.3); undefined where there is no keyUsage. */
export function keyUsageBits(certificate: LintedCertificate): ReadonlySet<number> | undefined {
  const usage = findExtension(certificate, oids.id_ce_keyUsage);
  if (usage?.value?.tag !== tags.bitString) return undefined;
  const octets = usage.value.content.subarray(1);
  const bits = [...octets].flatMap((octet, index) =>
    [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) =>
      (octet & (0x80 >> bit)) === 0 ? [] : [index * 8 + bit],
    ),
  );
  return new Set(bits);
}

/** Bit numbers of KeyUsage (RFC 5280 4.2.1.3). */
export const usageBit = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
  encipherOnly: 7,
  decipherOnly: 8,
} as const;

/** Whether basicConstraints says CA:TRUE (RFC 5280 4.2.1.9). */
export function saysCa(certificate: LintedCertificate): boolean {
  const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
  const [first] = constraints?.value?.children ?? [];
  return first?.tag === tags.boolean && first.content[0] !== 0;
}

/** Whether subject and issuer are the same Name, byte for byte (RFC 5280 3.2). */
export function isSelfIssued({ subject, issuer }: LintedCertificate): boolean {
  return Buffer.compare(subject.der, issuer.der) === 0;
}

/** pathLenConstraint of basicConstraints (RFC 5280 4.2.1.9), any negative one as -1; undefined without. */
export function pathLengthOf(certificate: LintedCertificate): number | undefined {
  const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
  const length = constraints?.value?.children.find(({ tag }) => tag === tags.integer);
  if (length === undefined) return undefined;
  const isNegative = (length.content[0] ?? 0) >= 0x80;
  return isNegative ? -1 : Number(`0x${Buffer.from(length.content).toString('hex')}`);
}

/** OIDs of extKeyUsage (RFC 5280 4.2.1.12); empty where there is none. */
export function purposesOf(certificate: LintedCertificate): readonly string[] {
  const usage = findExtension(certificate, oids.id_ce_extKeyUsage);
  return (usage?.value?.children ?? []).flatMap((child) => oidOf(child) ?? []);
}

/** Names of one kind in subjectAltName (RFC 5280 4.2.1.6), by their context tag. */
export function subjectAltNamesOf(certificate: LintedCertificate, tag: number): readonly DerNode[] {
  const names = findExtension(certificate, oids.id_ce_subjectAltName)?.value?.children ?? [];
  return names.filter((name) => name.tag === tag);
}

/** Each `HardwareModuleName ::= SEQUENCE { hwType, hwSerialNum }` of subjectAltName (RFC 4108 5). */
export function hardwareModuleNamesOf(certificate: LintedCertificate): readonly DerNode[] {
  return subjectAltNamesOf(certificate, contextConstructed(0))
    .filter((name) => oidOf(name.children[0]) === oids.id_on_hardwareModuleName)
    .flatMap((name) => name.children[1]?.children[0] ?? []);
}

/** Texts of an attribute of the subject, one for each time that it is there. */
export function subjectTextsOf(certificate: LintedCertificate, oid: string): readonly string[] {
  return certificate.subjectAttributes
    .filter((attribute) => attribute.oid === oid)
    .map(({ value }) => Buffer.from(value.content).toString('utf8'));
}

/** OIDs that stand more than once (RFC 5280 4.2): readers may not agree which one counts. */
export function repeatedExtensions(extensions: readonly LintedExtension[]): readonly string[] {
  const oids = extensions.map(({ oid }) => oid);
  return [...new Set(oids.filter((oid, index) => oids.indexOf(oid) < index))];
}
