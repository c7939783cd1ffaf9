import { createPublicKey, type KeyObject } from 'node:crypto';
import { contextConstructed, contextPrimitive, oids, tags } from '@certmill/der';
import { nameView } from '../inspect/view.js';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';
import { secondsOf } from '../lint/field-rules.js';
import {
  findExtension,
  keyUsageBits,
  type LintedCertificate,
  readLintedCertificate,
  saysCa,
} from '../lint/linted-certificate.js';

/** A certificate with what path validation asks of it; byte arrays are views of `der`. */
export interface PathCertificate {
  readonly der: Uint8Array;
  readonly certificate: LintedCertificate;
  readonly tbsDer: Uint8Array;
  readonly signature: Uint8Array;
  /** Undefined where OpenSSL cannot use it: nothing then verifies with it. */
  readonly publicKey: KeyObject | undefined;
  readonly subjectPKInfoDer: Uint8Array;
  /** The content of subjectPublicKey, which CertIDs and key identifiers hash. */
  readonly subjectPublicKey: Uint8Array;
  readonly subject: string;
  readonly notBeforeSeconds: number;
  readonly notAfterSeconds: number;
  readonly isCa: boolean;
  readonly pathLenConstraint: number | undefined;
  /** Bit numbers of keyUsage; undefined where there is none. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  /** OIDs of extKeyUsage; undefined where there is none. */
  readonly purposes: readonly string[] | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
}

/** Undefined where the bytes are no certificate in DER. */
export function readPathCertificate(der: Uint8Array): PathCertificate | undefined {
  const certificate = readLintedCertificate(der);
  const [tbs, , signature] = readDerNode(der)?.children ?? [];
  if (certificate === undefined || tbs === undefined || signature === undefined) return undefined;
  // Signatures are of whole octets.
  if (signature.content[0] !== 0) return undefined;
  const hasVersion = tbs.children[0]?.tag === contextConstructed(0);
  const spki = tbs.children[hasVersion ? 6 : 5];
  const subjectPublicKey = spki?.children[1]?.content.subarray(1);
  if (spki === undefined || subjectPublicKey === undefined) return undefined;
  const valueOf = (oid: string): DerNode | undefined => findExtension(certificate, oid)?.value;
  const authority = valueOf(oids.id_ce_authorityKeyIdentifier);
  return {
    der,
    certificate,
    tbsDer: tbs.der,
    signature: signature.content.subarray(1),
    publicKey: keyOf(spki.der),
    subjectPKInfoDer: spki.der,
    subjectPublicKey,
    subject: nameView(certificate.subject),
    notBeforeSeconds: secondsOf(certificate.notBefore),
    notAfterSeconds: secondsOf(certificate.notAfter),
    isCa: saysCa(certificate),
    pathLenConstraint: pathLengthOf(valueOf(oids.id_ce_basicConstraints)),
    keyUsage: keyUsageBits(certificate),
    purposes: valueOf(oids.id_ce_extKeyUsage)?.children.flatMap((child) => oidOf(child) ?? []),
    subjectKeyIdentifier: valueOf(oids.id_ce_subjectKeyIdentifier)?.content,
    authorityKeyIdentifier: authority?.children.find(({ tag }) => tag === contextPrimitive(0))
      ?.content,
  };
}

function pathLengthOf(constraints: DerNode | undefined): number | undefined {
  const length = constraints?.children.find(({ tag }) => tag === tags.integer);
  if (length === undefined) return undefined;
  return Number.parseInt(Buffer.from(length.content).toString('hex'), 16);
}

function keyOf(spkiDer: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

export function isSameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** Subject and issuer are the same name: such a CA does not count in path lengths (RFC 5280 6.1). */
export function isSelfIssuedCertificate({ certificate }: PathCertificate): boolean {
  return isSameBytes(certificate.subject.der, certificate.issuer.der);
}

/** By names, and by key identifiers where both say one; whether it has is for the signature to tell. */
export function mayHaveIssued(issuer: PathCertificate, issued: PathCertificate): boolean {
  const { authorityKeyIdentifier: wanted } = issued;
  const { subjectKeyIdentifier: identifier } = issuer;
  return (
    isSameBytes(issuer.certificate.subject.der, issued.certificate.issuer.der) &&
    (wanted === undefined || identifier === undefined || isSameBytes(wanted, identifier))
  );
}
