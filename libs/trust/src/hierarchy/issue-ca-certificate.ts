import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
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
  isWiderSubtree,
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
import { limitsOfChain } from '@certmill/pipeline/compute';
import { issuerKeyTypeOf } from '../keys/key-types.js';
import { type CaCertificate, isSelfIssued, readCaCertificate } from './ca-certificate.js';
import { type CaSigner, verifiedSignature } from './ca-key.js';
import { isEmptyName, isSameName } from './distinguished-name.js';

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
  /**
   * The parent is a root of the same subject, and vouches for another key of its own (RFC 9810 4.4): a
   * certificate that path lengths and name constraints pass over. No other CA has the subject of one above.
   */
  readonly isOtherKeyOfParent?: boolean;
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

/** The CA that signs. */
export interface CaParent {
  /** Its certificate first, the root last; absent for a root that signs itself. */
  readonly chainDer?: readonly Uint8Array[];
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
 * Throws INVALID_INPUT where the spec is none, has the subject of a CA above, or the parent or a CA above
 * it does not allow what it says (validity, names, path length, purposes, policies, a parent that is no
 * CA), FAULT_KEY_MISMATCH where the signer's key is not
 * that of the parent's certificate.
 */
export async function issueCaCertificate(
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaParent,
): Promise<Uint8Array> {
  const { signer } = parent;
  const tbs = caTbsCertificate(spec, subjectPKInfoDer, parent);
  return certificateWith(tbs, await verifiedSignature(signer, tbs), signer);
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
  { chainDer = [], signer }: CaParent,
): Uint8Array {
  assertKeyType(subjectPKInfoDer);
  const [parent, ...above] = chainDer.map((der, index) =>
    readCaCertificate(der, index === 0 ? "the parent's certificate" : 'a certificate above it'),
  );
  assertSpec(spec);
  if (Buffer.compare(parent?.spkiDer ?? subjectPKInfoDer, signer.subjectPKInfoDer) !== 0) {
    throw new CertmillError(
      'FAULT_KEY_MISMATCH',
      parent === undefined
        ? 'a root signs itself, and the signing key is not its own'
        : "the signing key does not belong to the parent's certificate",
    );
  }
  if (parent !== undefined) assertAllowed(spec, parent, above);
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
  const { subjectDer, serialNumber, notBeforeMs, notAfterMs, pathLenConstraint } = spec;
  if (isEmptyName(subjectDer)) throw refusal('has an empty subject (RFC 5280 4.1.2.6)');
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

/** What the parent, and those above it, leave to what is below them. */
function assertAllowed(
  spec: CaCertificateSpec,
  parent: CaCertificate,
  above: readonly CaCertificate[],
): void {
  if (!parent.isCa) throw refusal('has a parent that is no CA (RFC 5280 4.2.1.9)');
  if (parent.keyUsage !== undefined && !parent.keyUsage.includes('keyCertSign')) {
    throw refusal('has a parent that may not sign certificates (keyCertSign, RFC 5280 4.2.1.3)');
  }
  const chain = [parent, ...above];
  const isOtherKey = assertOwnSubject(spec, chain);
  // A root's other key may be older; nothing is below it (6.1.4 (l)).
  const isEarly = spec.notBeforeMs < parent.notBeforeMs && !isOtherKey;
  if (isEarly || spec.notAfterMs > parent.notAfterMs) {
    throw refusal(
      `would be valid outside its parent's life, ${isoTime(parent.notBeforeMs)} to ` +
        `${isoTime(parent.notAfterMs)} (RFC 5280 4.1.2.5)`,
    );
  }
  assertPathLength(spec, roomBelow(chain), isOtherKey);
  const {
    nameConstraints = [],
    extKeyUsage,
    policies,
  } = limitsOfChain(chain.map(({ limits }) => limits));
  if (!isOtherKey) assertNamed(spec, nameConstraints);
  assertSubset(spec.extKeyUsage, extKeyUsage, 'purposes');
  assertSubset(spec.policies, policies, 'policies');
}

/**
 * A CA with the subject of one above it is self-issued, or looks so: path lengths and name constraints
 * would pass over it. Whether it is the other key of its parent, which may be.
 */
function assertOwnSubject(
  { subjectDer, isOtherKeyOfParent = false }: CaCertificateSpec,
  chain: readonly CaCertificate[],
): boolean {
  const namesake = chain.find((ca) => isSameName(ca.subjectDer, subjectDer));
  if (namesake === undefined) {
    if (isOtherKeyOfParent) throw refusal('has another subject than the root that vouches for it');
    return false;
  }
  if (isOtherKeyOfParent && chain.length === 1 && isSelfIssued(namesake)) return true;
  throw refusal(`has the subject of a CA above it, ${namesake.subject} (RFC 5280 4.1.2.6)`);
}

/** CAs that may still follow, the one that is made among them; undefined: any number. */
export function roomBelow(
  chain: readonly Pick<CaCertificate, 'pathLenConstraint' | 'subjectDer' | 'issuerDer'>[],
): number | undefined {
  const rooms = chain.flatMap(({ pathLenConstraint }, index) =>
    pathLenConstraint === undefined
      ? []
      : [pathLenConstraint - chain.slice(0, index).filter((ca) => !isSelfIssued(ca)).length],
  );
  return rooms.length === 0 ? undefined : Math.min(...rooms);
}

function assertPathLength(
  { pathLenConstraint }: CaCertificateSpec,
  room: number | undefined,
  isOtherKey: boolean,
): void {
  if (room === undefined) return;
  if (room <= 0) {
    throw refusal('would stand below a CA that allows none (pathLenConstraint, RFC 5280 4.2.1.9)');
  }
  if ((pathLenConstraint ?? room) >= room + (isOtherKey ? 1 : 0)) {
    throw refusal(
      `needs a pathLenConstraint below what those above leave, ${String(room)} (RFC 5280 4.2.1.9)`,
    );
  }
}

function assertNamed(
  { subjectDer, nameConstraints: own }: CaCertificateSpec,
  constraints: readonly NameConstraints[],
): void {
  if (constraints.length === 0) return;
  const wider = own?.permitted.find((subtree) =>
    constraints.some((each) => isWiderSubtree(each, subtree)),
  );
  if (wider !== undefined) {
    throw refusal(
      `permits names (${'value' in wider ? `${wider.kind} ${wider.value}` : wider.kind}) that a CA above does not (RFC 5280 4.2.1.10)`,
    );
  }
  const subject = readName(subjectDer, 0, subjectDer.length);
  const names = subject.ok && { subject: subject.value, alternativeNames: [], bytes: subjectDer };
  const isWithin =
    names !== false && constraints.every((each) => nameOutside(each, names) === undefined);
  if (isWithin) return;
  throw refusal('has a subject outside the name constraints of a CA above (RFC 5280 4.2.1.10)');
}

/** Where those above name purposes or policies, what is below names some of them, or none. */
function assertSubset(
  wanted: readonly string[] | undefined,
  allowed: readonly string[] | undefined,
  what: string,
): void {
  const wider = allowed && wanted?.find((oid) => !allowed.includes(oid));
  if (wider === undefined) return;
  throw refusal(`would have ${what} (${wider}) that a CA above it does not have`);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function refusal(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the CA certificate ${reason}`);
}
