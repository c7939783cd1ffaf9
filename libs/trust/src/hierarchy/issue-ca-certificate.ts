import { createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import {
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  CERTIFICATE_HEAD_ROOM,
  certificatePolicies,
  CertmillDerError,
  crlDistributionPoints,
  extension,
  extKeyUsage,
  finishCertificate,
  fixed,
  keyIdentifier,
  keyUsage,
  type KeyUsageName,
  nameConstraints,
  type NameConstraints,
  nameOutside,
  NO_EXPIRATION_SECONDS,
  oids,
  readName,
  signatureAlgorithmDer,
  signatureRoom,
  subjectKeyIdentifier,
  tbsCertificateTemplate,
  tbsSlots,
  type TemplateNode,
  type WritableSubtree,
} from '@certmill/der';
import { issuerKeyTypeOf } from '../keys/key-types.js';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { type CaSigner, hashOf } from './ca-key.js';
import { isSameName } from './distinguished-name.js';

/** IEEE 802.1AR 8: the CAs above an IDevID live as long as it does, without expiration. */
export const noExpirationMs = NO_EXPIRATION_SECONDS * 1_000;

/** What a CA certificate says; every field that is absent leaves its extension out. */
export interface CaCertificateSpec {
  /** The Name element (`distinguishedNameDer`); that of the CA before where it is renewed. */
  readonly subjectDer: Uint8Array;
  /** Positive, 1 to 20 octets (RFC 5280 4.1.2.2): `newCaSerialNumber`, or one that was rehearsed. */
  readonly serialNumber: Uint8Array;
  /** Whole seconds, both ends included; `noExpirationMs` for none. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** CAs that may follow below it (RFC 5280 4.2.1.9): 0 of an issuing CA; absent: no limit. */
  readonly pathLenConstraint?: number;
  /** RFC 5280 4.2.1.10; critical. */
  readonly nameConstraints?: NameConstraints<WritableSubtree>;
  /** OIDs (RFC 5280 4.2.1.4). */
  readonly policies?: readonly string[];
  /** OIDs of what certificates below it may be for; critical only where nothing else is meant. */
  readonly extKeyUsage?: readonly string[];
  /** Beside keyCertSign and cRLSign, which every CA has. */
  readonly keyUsage?: readonly Exclude<KeyUsageName, 'keyCertSign' | 'cRLSign'>[];
  /** Where the status of this very certificate is told, by the CA that signs it. URIs. */
  readonly status?: {
    readonly crlDistributionPoints?: readonly string[];
    readonly ocsp?: readonly string[];
    readonly caIssuers?: readonly string[];
  };
}

/** The CA that signs: its certificate, absent for a root that signs itself, and its key. */
export interface CaParent {
  readonly certificateDer?: Uint8Array;
  readonly signer: CaSigner;
}

const maxCertificateBytes = 64 * 1024;
const maxSerialNumberOctets = 20;
const caSerialNumberOctets = 16;

/**
 * Makes a CA certificate (RFC 5280 4): critical basicConstraints and keyUsage, subjectKeyIdentifier
 * (4.2.1.2 (1)), authorityKeyIdentifier below a parent, and what the spec asks for.
 *
 * The TBSCertificate is a pure function of the three arguments: no clock, no randomness, so that a
 * ceremony can rehearse it (`caTbsCertificate`) and get the same bytes later. The signature is checked
 * with the parent's certificate before the certificate is returned.
 *
 * @param subjectPKInfoDer the key of the new CA; that of the parent's signer for a root.
 * @returns the Certificate, DER; the caller's.
 * Throws INVALID_INPUT where the spec is none or the parent does not allow what it says (validity, path
 * length, purposes, policies, a parent that is no CA), FAULT_KEY_MISMATCH where the signer's key is not
 * that of the parent's certificate.
 */
export async function issueCaCertificate(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaParent,
): Promise<Uint8Array> {
  const { signer } = parent;
  const tbs = caTbsCertificate(spec, subjectPKInfoDer, parent);
  const signature = await signer.sign(tbs);
  assertSigned(tbs, signature, signer);
  return certificateWith(tbs, signature, signer);
}

/**
 * The certificate before it is signed, with zeros in the place of the signature: it verifies nowhere,
 * and is what a linter judges before a key is used. Throws as `issueCaCertificate`.
 * @param signatureOctets as many as the signature can have.
 */
export function draftCaCertificate(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaParent,
  signatureOctets: number,
): Uint8Array {
  const tbs = caTbsCertificate(spec, subjectPKInfoDer, parent);
  return certificateWith(tbs, new Uint8Array(signatureOctets), parent.signer);
}

function certificateWith(
  tbs: Uint8Array,
  signature: Uint8Array,
  { signatureAlgorithm }: CaSigner,
): Uint8Array {
  const algorithm = signatureAlgorithmDer(signatureAlgorithm);
  const tbsEnd = CERTIFICATE_HEAD_ROOM + tbs.length;
  const out = new Uint8Array(tbsEnd + signatureRoom(algorithm, signature.length));
  out.set(tbs, CERTIFICATE_HEAD_ROOM);
  const { start, end } = finishCertificate(
    out,
    CERTIFICATE_HEAD_ROOM,
    tbsEnd,
    algorithm,
    signature,
  );
  return out.slice(start, end);
}

/** What `issueCaCertificate` signs: what a rehearsal shows and hashes. Throws as it does. */
export function caTbsCertificate(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  { certificateDer, signer }: CaParent,
): Uint8Array {
  assertKeyType(subjectPKInfoDer);
  const parent =
    certificateDer === undefined
      ? undefined
      : readCaCertificate(certificateDer, "the parent's certificate");
  assertSpec(spec);
  if (Buffer.compare(parent?.spkiDer ?? subjectPKInfoDer, signer.subjectPKInfoDer) !== 0) {
    throw new CertmillError(
      'FAULT_KEY_MISMATCH',
      parent === undefined
        ? 'a root signs itself, and the signing key is not its own'
        : "the signing key does not belong to the parent's certificate",
    );
  }
  if (parent !== undefined) assertAllowed(spec, parent);
  try {
    return written(spec, subjectPKInfoDer, signer, parent);
  } catch (cause) {
    if (!(cause instanceof CertmillDerError)) throw cause;
    throw refusal(`cannot be written: ${cause.message}`);
  }
}

/** Random, positive, of 16 octets of which the first is never zero (RFC 5280 4.1.2.2). */
export function newCaSerialNumber(): Uint8Array {
  const octets = randomBytes(caSerialNumberOctets);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

function written(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  signer: CaSigner,
  parent: CaCertificate | undefined,
): Uint8Array {
  const template = tbsCertificateTemplate({
    signatureAlgorithm: signatureAlgorithmDer(signer.signatureAlgorithm),
    issuerNameDer: parent?.subjectDer ?? spec.subjectDer,
    subject: fixed(spec.subjectDer),
    extensions: extensionsOf(spec, subjectPKInfoDer, parent),
  });
  const values = template.createValues();
  values.setBytes(template.slotIndex(tbsSlots.serialNumber), spec.serialNumber);
  values.setSeconds(template.slotIndex(tbsSlots.notBefore), spec.notBeforeMs / 1_000);
  values.setSeconds(template.slotIndex(tbsSlots.notAfter), spec.notAfterMs / 1_000);
  values.setBytes(template.slotIndex(tbsSlots.spki), subjectPKInfoDer);
  const out = new Uint8Array(maxCertificateBytes);
  return out.slice(template.write(out, out.length, values));
}

function extensionsOf(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaCertificate | undefined,
): readonly TemplateNode[] {
  const { policies, status = {} } = spec;
  const nodes = [
    extension(oids.id_ce_basicConstraints, true, basicConstraints(true, spec.pathLenConstraint)),
    extension(
      oids.id_ce_keyUsage,
      true,
      keyUsage([...(spec.keyUsage ?? []), 'keyCertSign', 'cRLSign']),
    ),
    extension(
      oids.id_ce_subjectKeyIdentifier,
      false,
      subjectKeyIdentifier(keyIdentifier('sha1', subjectPKInfoDer)),
    ),
  ];
  if (parent !== undefined) {
    const identifier = authorityKeyIdentifier(identifierOf(parent));
    nodes.push(extension(oids.id_ce_authorityKeyIdentifier, false, identifier));
  }
  if (policies !== undefined && policies.length > 0) {
    nodes.push(extension(oids.id_ce_certificatePolicies, false, certificatePolicies(policies)));
  }
  if (spec.nameConstraints !== undefined) {
    const constraints = nameConstraints(spec.nameConstraints);
    nodes.push(extension(oids.id_ce_nameConstraints, true, constraints));
  }
  if (spec.extKeyUsage !== undefined && spec.extKeyUsage.length > 0) {
    nodes.push(extension(oids.id_ce_extKeyUsage, false, extKeyUsage(spec.extKeyUsage)));
  }
  const { crlDistributionPoints: crls = [], ocsp = [], caIssuers = [] } = status;
  if (crls.length > 0) {
    nodes.push(extension(oids.id_ce_cRLDistributionPoints, false, crlDistributionPoints(crls)));
  }
  if (ocsp.length + caIssuers.length > 0) {
    const access = authorityInfoAccess({ ocsp, caIssuers });
    nodes.push(extension(oids.id_pe_authorityInfoAccess, false, access));
  }
  return nodes;
}

function identifierOf(parent: CaCertificate): Uint8Array {
  return parent.keyIdentifier.length > 0
    ? parent.keyIdentifier
    : keyIdentifier('sha1', parent.spkiDer);
}

function assertKeyType(subjectPKInfoDer: Uint8Array): void {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(subjectPKInfoDer), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', 'the key of the CA cannot be read', { cause });
  }
  issuerKeyTypeOf(key);
}

function assertSpec(spec: CaCertificateSpec): void {
  const { serialNumber, notBeforeMs, notAfterMs, pathLenConstraint } = spec;
  const [first = 0] = serialNumber;
  if (first === 0 || first > 0x7f || serialNumber.length > maxSerialNumberOctets) {
    throw refusal('has no positive serial number of 1 to 20 octets (RFC 5280 4.1.2.2)');
  }
  if (notBeforeMs % 1_000 !== 0 || notAfterMs % 1_000 !== 0) {
    throw refusal('begins or ends within a second (RFC 5280 4.1.2.5)');
  }
  if (!(notBeforeMs >= 0 && notBeforeMs < notAfterMs && notAfterMs <= noExpirationMs)) {
    throw refusal('ends before it begins (RFC 5280 4.1.2.5)');
  }
  const pathLength = pathLenConstraint ?? 0;
  if (!Number.isInteger(pathLength) || pathLength < 0 || pathLength > 0xff) {
    throw refusal('has no pathLenConstraint of 0 to 255 (RFC 5280 4.2.1.9)');
  }
}

/** What the parent's own certificate leaves to those below it. */
function assertAllowed(spec: CaCertificateSpec, parent: CaCertificate): void {
  if (!parent.isCa) throw refusal('has a parent that is no CA (RFC 5280 4.2.1.9)');
  if (parent.keyUsage !== undefined && !parent.keyUsage.includes('keyCertSign')) {
    throw refusal('has a parent that may not sign certificates (keyCertSign, RFC 5280 4.2.1.3)');
  }
  // A root certifies its own other key (RFC 9810 4.4), which may be older; nothing is below (6.1.4 (l)).
  const isOwnKey =
    isSameName(parent.subjectDer, parent.issuerDer) &&
    isSameName(spec.subjectDer, parent.subjectDer);
  const isEarly = spec.notBeforeMs < parent.notBeforeMs && !isOwnKey;
  if (isEarly || spec.notAfterMs > parent.notAfterMs) {
    throw refusal(
      `would be valid outside its parent's life, ${isoTime(parent.notBeforeMs)} to ` +
        `${isoTime(parent.notAfterMs)} (RFC 5280 4.1.2.5)`,
    );
  }
  const { pathLenConstraint: room } = parent;
  if (room === 0) {
    throw refusal('would stand below a CA that allows none (pathLenConstraint, RFC 5280 4.2.1.9)');
  }
  if (room !== undefined && (spec.pathLenConstraint ?? room) >= room + (isOwnKey ? 1 : 0)) {
    throw refusal(
      `needs a pathLenConstraint below its parent's, ${String(room)} (RFC 5280 4.2.1.9)`,
    );
  }
  if (!isOwnKey) assertNamed(spec, parent);
  assertSubset(spec.extKeyUsage, parent.limits.extKeyUsage, oids.anyExtendedKeyUsage, 'purposes');
  assertSubset(spec.policies, parent.limits.policies, oids.anyPolicy, 'policies');
}

function assertNamed(
  { subjectDer }: CaCertificateSpec,
  { limits: { nameConstraints } }: CaCertificate,
): void {
  if (nameConstraints === undefined) return;
  const subject = readName(subjectDer, 0, subjectDer.length);
  const names = subject.ok && { subject: subject.value, alternativeNames: [], bytes: subjectDer };
  if (names !== false && nameOutside(nameConstraints, names) === undefined) return;
  throw refusal("has a subject outside its parent's name constraints (RFC 5280 4.2.1.10)");
}

/** Where a parent names purposes or policies, what is below it names some of them, or none. */
function assertSubset(
  wanted: readonly string[] | undefined,
  allowed: readonly string[] | undefined,
  any: string,
  what: string,
): void {
  if (allowed === undefined || allowed.includes(any)) return;
  const wider = wanted?.find((oid) => !allowed.includes(oid));
  if (wider === undefined) return;
  throw refusal(`would have ${what} (${wider}) that its parent does not have`);
}

function assertSigned(tbs: Uint8Array, signature: Uint8Array, signer: CaSigner): void {
  const key = createPublicKey({
    key: Buffer.from(signer.subjectPKInfoDer),
    format: 'der',
    type: 'spki',
  });
  if (verify(hashOf(signer.signatureAlgorithm), tbs, key, signature)) return;
  throw new CertmillError(
    'FAULT_KEY_MISMATCH',
    "the signature does not verify with the parent's key",
  );
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function refusal(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the CA certificate ${reason}`);
}
