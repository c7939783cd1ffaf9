import { contextPrimitive, oids } from '@certmill/der';
import type { LintFinding } from '../lint/lint-rule.js';
import { crlSignatureVerdict, readCrl } from '../path/crl-status.js';
import {
  isSameBytes,
  mayHaveIssued,
  type PathCertificate,
  readPathCertificate,
} from '../path/path-certificate.js';
import { type SignatureVerdict, signatureVerdictOf } from '../path/verify-signature.js';
import type { PlacedObject } from './inspected.js';

interface Placed {
  readonly position: number;
  readonly certificate: PathCertificate;
}

/**
 * Certificates and CRLs whose signature does not verify though what has their issuer's name, and its key
 * identifier where both say one, stands among the objects; by position. Hashes that prove nothing any
 * more are another finding: here they are computed as they are.
 */
export function signatureFindings(
  objects: readonly PlacedObject[],
): ReadonlyMap<number, readonly LintFinding[]> {
  const certificates = objects.flatMap(({ kind, position, der }): Placed[] => {
    const certificate = kind === 'certificate' ? readPathCertificate(der) : undefined;
    return certificate === undefined ? [] : [{ position, certificate }];
  });
  const bySubject = Map.groupBy(certificates, ({ certificate }) =>
    keyOf(certificate.certificate.subject.der),
  );
  const findings = new Map<number, readonly LintFinding[]>();
  for (const { position, certificate } of certificates) {
    const named = bySubject.get(keyOf(certificate.certificate.issuer.der)) ?? [];
    const issuers = named.filter((other) => mayHaveIssued(other.certificate, certificate));
    const detail = problemWith(issuers, (issuer) => signatureVerdictOf(issuer, certificate));
    if (detail === undefined) continue;
    findings.set(position, [{ rule: 'issuer-signature', clause: 'RFC 5280 6.1.3', detail }]);
  }
  for (const { kind, position, der } of objects) {
    const crl = kind === 'crl' ? readCrl(der) : undefined;
    if (crl === undefined) continue;
    const identifier = crl.extensions
      .find(({ oid }) => oid === oids.id_ce_authorityKeyIdentifier)
      ?.value?.children.find(({ tag }) => tag === contextPrimitive(0))?.content;
    const issuers = (bySubject.get(keyOf(crl.issuer.der)) ?? []).filter(
      ({ certificate: { subjectKeyIdentifier: other } }) =>
        identifier === undefined || other === undefined || isSameBytes(identifier, other),
    );
    const detail = problemWith(issuers, (issuer) => crlSignatureVerdict(crl, issuer));
    if (detail === undefined) continue;
    findings.set(position, [{ rule: 'crl-issuer-signature', clause: 'RFC 5280 6.3.3', detail }]);
  }
  return findings;
}

/** Undefined where there is none, one of them has signed, or that cannot be told. */
function problemWith(
  issuers: readonly Placed[],
  verdictOf: (issuer: PathCertificate) => SignatureVerdict,
): string | undefined {
  const [first] = issuers;
  if (first === undefined) return undefined;
  if (issuers.some(({ certificate }) => verdictOf(certificate) !== 'bad')) return undefined;
  return `the signature does not verify with the key of object ${String(first.position)}, which has its issuer's name`;
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1');
}
