import {
  type CertificateListWalk,
  contextConstructed,
  contextPrimitive,
  decodeInteger,
  oids,
  tags,
  walkCertificateList,
  walkCrlEntries,
} from '@certmill/der';
import { crlReasonOf, type CrlReason } from '@certmill/domain';
import { extensionsOf } from '../inspect/extension-view.js';
import { isoTime } from '../inspect/view.js';
import { readDerNode, type DerNode } from '../lint/der-node.js';
import {
  findExtension,
  type LintedExtension,
  repeatedExtensions,
  usageBit,
} from '../lint/linted-certificate.js';
import { signatureWeaknessOf } from '../lint/weak-algorithms.js';
import { isSameBytes, type PathCertificate, readPathCertificate } from './path-certificate.js';
import { isForGood, type StatusFinding } from './status.js';
import { type SignatureVerdict, verifyLegacySignature } from './verify-signature.js';

const reasonCode = '2.5.29.21';
const cRLNumber = '2.5.29.20';
const deltaCRLIndicator = '2.5.29.27';
const issuingDistributionPoint = '2.5.29.28';
const certificateIssuer = '2.5.29.29';

/** A CRL that was read once and is asked often. */
export interface ReadCrl {
  readonly der: Uint8Array;
  readonly walk: CertificateListWalk;
  readonly issuer: DerNode;
  readonly extensions: readonly LintedExtension[];
  /** Undefined for a full list. */
  readonly baseCrlNumber: bigint | undefined;
  readonly crlNumber: bigint | undefined;
}

/** Undefined where the bytes are no CRL in DER. */
export function readCrl(der: Uint8Array): ReadCrl | undefined {
  const walk = walkCertificateList(der);
  if (walk.error !== undefined) return undefined;
  const issuer = readDerNode(der.subarray(walk.issuerStart, walk.issuerEnd));
  if (issuer === undefined) return undefined;
  const extensions =
    walk.extensionsStart < 0
      ? []
      : extensionsOf(readDerNode(der.subarray(walk.extensionsStart, walk.extensionsEnd)));
  return {
    der,
    walk,
    issuer,
    extensions,
    baseCrlNumber: numberIn(extensions, deltaCRLIndicator),
    crlNumber: numberIn(extensions, cRLNumber),
  };
}

function numberIn(extensions: readonly LintedExtension[], oid: string): bigint | undefined {
  const value = extensions.find((extension) => extension.oid === oid)?.value;
  if (value?.tag !== tags.integer) return undefined;
  return decodeInteger(value.content, 0, value.content.length);
}

/**
 * What the lists say of a certificate (RFC 5280 6.3), one finding for each that is about it; lists of
 * other issuers and other scopes are passed over. A delta counts with the full list that it is of. Nobody comes
 * back from any revocation but a hold (5.3.1): a list that says so counts for that when it is not in force, too.
 * @param issuer of the certificate; indirect CRLs are not supported.
 */
export function crlFindings(
  certificate: PathCertificate,
  issuer: PathCertificate,
  crls: readonly ReadCrl[],
  atSeconds: number,
): readonly StatusFinding[] {
  return crls.flatMap((crl, index) => {
    if (!isSameBytes(crl.issuer.der, issuer.certificate.subject.der)) return [];
    const unusable = (detail: string) =>
      [{ source: 'crl', index, state: 'unusable', detail }] as const;
    const doubt = doubtOf(crl, certificate, issuer);
    if (doubt === 'other-scope') return [];
    if (doubt !== undefined) return unusable(doubt);
    const bases = crls.filter(
      (other) => isBaseOf(other, crl) && doubtOf(other, certificate, issuer) === undefined,
    );
    if (crl.baseCrlNumber !== undefined && bases.length === 0) {
      return unusable('it is a delta, and the full list that it is of is not here');
    }
    const found = findingOf(crl, index, certificate, atSeconds);
    const lapse = crlLapseOf(crl, atSeconds) ?? basesLapseOf(crl, bases, atSeconds);
    if (lapse === undefined) return found;
    return found.some((finding) => isForGood(finding)) ? found : unusable(lapse);
  });
}

/** Why nobody can say that the issuer has signed the list; undefined where it has. */
export function signatureProblemOf(
  { der, walk }: ReadCrl,
  { publicKey, keyUsage }: PathCertificate,
): string | undefined {
  const algorithm = readDerNode(
    der.subarray(walk.signatureAlgorithmStart, walk.signatureAlgorithmEnd),
  );
  const inner = der.subarray(walk.tbsSignatureStart, walk.tbsSignatureEnd);
  if (algorithm === undefined || !isSameBytes(algorithm.der, inner)) {
    return 'it names one signature algorithm inside and another outside (RFC 5280 5.1.1.2)';
  }
  if (keyUsage?.has(usageBit.cRLSign) === false) return "its issuer's keyUsage lacks cRLSign";
  const weakness = signatureWeaknessOf(algorithm);
  if (weakness !== undefined) return weakness;
  const verdict = crlSignatureVerdict({ der, walk }, { publicKey });
  return verdict === 'good' ? undefined : "its signature does not verify with its issuer's key";
}

/** Whether the key has made the signature of the list, by whatever hash. */
export function crlSignatureVerdict(
  { der, walk }: Pick<ReadCrl, 'der' | 'walk'>,
  { publicKey }: Pick<PathCertificate, 'publicKey'>,
): SignatureVerdict {
  const algorithm = readDerNode(
    der.subarray(walk.signatureAlgorithmStart, walk.signatureAlgorithmEnd),
  );
  if (publicKey === undefined || algorithm === undefined) return 'unsupported';
  return verifyLegacySignature(
    algorithm,
    der.subarray(walk.tbsCertListStart, walk.tbsCertListEnd),
    der.subarray(walk.signatureStart, walk.signatureEnd),
    publicKey,
  );
}

/** Why the list cannot be relied on at any time; `other-scope` where it is not about the certificate. */
function doubtOf(
  crl: ReadCrl,
  certificate: PathCertificate,
  issuer: PathCertificate,
): string | undefined {
  const { extensions, baseCrlNumber } = crl;
  const [repeated] = repeatedExtensions(extensions);
  if (repeated !== undefined) return `its extension ${repeated} stands twice (RFC 5280 4.2)`;
  const doubt = scopeOf(extensions, certificate) ?? signatureProblemOf(crl, issuer);
  if (doubt !== undefined) return doubt;
  const isDelta = extensions.some(({ oid }) => oid === deltaCRLIndicator);
  if (isDelta && baseCrlNumber === undefined) return 'its deltaCRLIndicator cannot be read';
  const unknown = extensions.find(
    ({ oid, critical }) => critical && ![deltaCRLIndicator, issuingDistributionPoint].includes(oid),
  );
  return unknown && `its critical extension ${unknown.oid} is not understood`;
}

/** Why the list is not the one in force at the time; undefined where it is. */
export function crlLapseOf({ walk }: Pick<ReadCrl, 'walk'>, atSeconds: number): string | undefined {
  if (atSeconds < walk.thisUpdateSeconds) {
    return `it is of ${isoTime(walk.thisUpdateSeconds) ?? ''}, after the time in question`;
  }
  if (Number.isNaN(walk.nextUpdateSeconds)) {
    return 'it does not say until when it counts: nextUpdate is missing (RFC 5280 5.1.2.5)';
  }
  if (atSeconds > walk.nextUpdateSeconds) {
    return `it was to be replaced at ${isoTime(walk.nextUpdateSeconds) ?? ''} (nextUpdate)`;
  }
  return undefined;
}

/** The same of the full lists that a delta may be of: one of them has to be in force. */
function basesLapseOf(
  { baseCrlNumber }: ReadCrl,
  bases: readonly ReadCrl[],
  atSeconds: number,
): string | undefined {
  if (baseCrlNumber === undefined) return undefined;
  const isInForce = bases.some((base) => crlLapseOf(base, atSeconds) === undefined);
  return isInForce
    ? undefined
    : 'it is a delta, and the full list that it is of is not in force at that time';
}

/** RFC 5280 6.3.3 (b)(2). */
function scopeOf(
  extensions: readonly LintedExtension[],
  certificate: PathCertificate,
): string | undefined {
  const point = scopeExtension(extensions);
  if (point === undefined) return undefined;
  if (point.value?.tag !== tags.sequence) return 'its issuingDistributionPoint cannot be read';
  const { children } = point.value;
  const flag = (number: number): boolean =>
    children.some(({ tag, content }) => tag === contextPrimitive(number) && content[0] !== 0);
  if (flag(1) && certificate.isCa) return 'other-scope';
  if (flag(2) && !certificate.isCa) return 'other-scope';
  if (flag(5)) return 'other-scope';
  if (flag(4)) return 'it is an indirect CRL, which is not supported';
  const name = children.find(({ tag }) => tag === contextConstructed(0));
  if (name === undefined) return undefined;
  const own = pointNamesOf(certificate);
  const isShared = fullNamesIn(name).some((one) => own.some((other) => isSameBytes(one, other)));
  return isShared ? undefined : 'other-scope';
}

function scopeExtension(extensions: readonly LintedExtension[]): LintedExtension | undefined {
  return extensions.find(({ oid }) => oid === issuingDistributionPoint);
}

/** Of a list of some reasons only (onlySomeReasons), what it does not list may be revoked in another. */
function isOfSomeReasons({ extensions }: ReadCrl): boolean {
  const parts = scopeExtension(extensions)?.value?.children ?? [];
  return parts.some(({ tag }) => tag === contextPrimitive(3));
}

/** Names of the certificate's points that are of its own issuer and of all reasons (RFC 5280 4.2.1.13). */
function pointNamesOf({ certificate }: PathCertificate): readonly Uint8Array[] {
  return [oids.id_ce_cRLDistributionPoints, oids.id_ce_freshestCRL].flatMap((oid) => {
    const points = findExtension(certificate, oid)?.value?.children ?? [];
    return points.flatMap(({ children: [name, ...limits] }) =>
      name?.tag === contextConstructed(0) && limits.length === 0 ? fullNamesIn(name) : [],
    );
  });
}

/** Whose CRLs are about a certificate, and where they are; undefined where the bytes are none. */
export function crlPointsOf(certificateDer: Uint8Array):
  | {
      readonly issuerNameDer: Uint8Array;
      readonly serialNumber: Uint8Array;
      readonly uris: readonly string[];
    }
  | undefined {
  const read = readPathCertificate(certificateDer);
  if (read === undefined) return undefined;
  const { issuer, serialNumber } = read.certificate;
  return {
    issuerNameDer: issuer.der,
    serialNumber: serialNumber.content,
    uris: certificateUris(read),
  };
}

/** Of `cRLDistributionPoints` and `freshestCRL`. */
export function certificateUris(certificate: PathCertificate): readonly string[] {
  return pointNamesOf(certificate).flatMap((name) => {
    const { tag, content } = readDerNode(name) ?? {};
    return tag === contextPrimitive(6) ? Buffer.from(content ?? []).toString('latin1') : [];
  });
}

/**
 * GeneralNames of `DistributionPointName ::= CHOICE { fullName [0], nameRelativeToCRLIssuer [1] }` in DER;
 * relative ones are not supported and match nothing.
 */
function fullNamesIn({ children: [name] }: DerNode): readonly Uint8Array[] {
  return name?.tag === contextConstructed(0) ? name.children.map(({ der }) => der) : [];
}

/** A full list of the same scope, and not older than what the delta begins with (RFC 5280 5.2.4). */
function isBaseOf(full: ReadCrl, { issuer, extensions, baseCrlNumber }: ReadCrl): boolean {
  const scope = (all: readonly LintedExtension[]): Uint8Array =>
    scopeExtension(all)?.value?.der ?? new Uint8Array();
  return (
    full.baseCrlNumber === undefined &&
    full.crlNumber !== undefined &&
    baseCrlNumber !== undefined &&
    full.crlNumber >= baseCrlNumber &&
    isSameBytes(full.issuer.der, issuer.der) &&
    isSameBytes(scope(full.extensions), scope(extensions))
  );
}

function findingOf(
  crl: ReadCrl,
  index: number,
  { certificate }: PathCertificate,
  atSeconds: number,
): readonly StatusFinding[] {
  const { der, walk, baseCrlNumber } = crl;
  const times = {
    thisUpdateSeconds: walk.thisUpdateSeconds,
    nextUpdateSeconds: walk.nextUpdateSeconds,
  };
  const entry = entryOf(der, walk, certificate.serialNumber.content);
  if (entry.kind === 'unusable') {
    return [{ source: 'crl', index, state: 'unusable', detail: entry.detail }];
  }
  // What a delta does not list is as the full list says.
  if (entry.kind === 'absent' && baseCrlNumber !== undefined) return [];
  const isListed =
    entry.kind !== 'absent' &&
    entry.reason !== 'removeFromCRL' &&
    // It is listed at thisUpdate, whatever date is given: the clock of whoever revoked may have been ahead.
    Math.min(entry.atSeconds, walk.thisUpdateSeconds) <= atSeconds;
  if (!isListed) {
    if (isOfSomeReasons(crl)) {
      const detail = 'it covers some reasons only, and none of them was there at that time';
      return [{ source: 'crl', index, state: 'unusable', detail }];
    }
    return [{ source: 'crl', index, state: 'good', ...times }];
  }
  const { atSeconds: revokedAtSeconds, reason } = entry;
  return [
    { source: 'crl', index, state: 'revoked', atSeconds: revokedAtSeconds, reason, ...times },
  ];
}

/** Of an entry; undefined where it says none, or one that RFC 5280 does not know. */
export function reasonOf(extensions: readonly LintedExtension[]): CrlReason | undefined {
  const code = extensions.find(({ oid }) => oid === reasonCode)?.value?.content[0];
  return code === undefined ? undefined : crlReasonOf(code);
}

type Entry =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present';
      readonly atSeconds: number;
      readonly reason: CrlReason | undefined;
    }
  | { readonly kind: 'unusable'; readonly detail: string };

function entryOf(der: Uint8Array, walk: CertificateListWalk, serialNumber: Uint8Array): Entry {
  const found: Entry[] = [];
  const failure = walkCrlEntries(der, walk, (entry) => {
    const listed = der.subarray(entry.serialNumberStart, entry.serialNumberEnd);
    if (!isSameBytes(listed, serialNumber)) return true;
    const extensions =
      entry.extensionsStart < 0
        ? []
        : extensionsOf(readDerNode(der.subarray(entry.extensionsStart, entry.extensionsEnd)));
    found.push(
      extensions.some(({ oid }) => oid === certificateIssuer)
        ? { kind: 'unusable', detail: 'an entry names another issuer' }
        : {
            kind: 'present',
            atSeconds: entry.revocationDateSeconds,
            reason: reasonOf(extensions),
          },
    );
    return false;
  });
  if (failure !== undefined) return { kind: 'unusable', detail: 'an entry cannot be read' };
  return found[0] ?? { kind: 'absent' };
}
