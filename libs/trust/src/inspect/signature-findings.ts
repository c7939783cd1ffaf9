import { contextPrimitive, oids } from '@certmill/der';
import type { LintFinding } from '../lint/lint-rule.js';
import { crlSignatureVerdict, readCrl } from '../path/crl-status.js';
import { signatureVerdictOf } from '../path/verify-signature.js';
import type { PlacedObject } from './inspected.js';
import { type FoundIssuer, IssuersHere } from './issuers-here.js';

/**
 * Certificates and CRLs whose signature does not verify though what has their issuer's name, and its key
 * identifier where both say one, stands among the objects; by position. Hashes that prove nothing any
 * more are another finding: here they are computed as they are.
 */
export function signatureFindings(
  objects: readonly PlacedObject[],
): ReadonlyMap<number, readonly LintFinding[]> {
  const here = new IssuersHere(objects.filter(({ kind }) => kind === 'certificate'));
  const findings = new Map<number, readonly LintFinding[]>();
  for (const placed of here.certificates) {
    const { position, certificate } = placed;
    const wanted = {
      name: certificate.certificate.issuer,
      keyIdentifier: certificate.authorityKeyIdentifier,
      self: placed,
    };
    const found = here.find(wanted, (issuer) => signatureVerdictOf(issuer, certificate) !== 'bad');
    const detail = problemOf(found);
    if (detail === undefined) continue;
    findings.set(position, [{ rule: 'issuer-signature', clause: 'RFC 5280 6.1.3', detail }]);
  }
  for (const { kind, position, der } of objects) {
    const crl = kind === 'crl' ? readCrl(der) : undefined;
    if (crl === undefined) continue;
    const keyIdentifier = crl.extensions
      .find(({ oid }) => oid === oids.id_ce_authorityKeyIdentifier)
      ?.value?.children.find(({ tag }) => tag === contextPrimitive(0))?.content;
    const found = here.find(
      { name: crl.issuer, keyIdentifier },
      (issuer) => crlSignatureVerdict(crl, issuer) !== 'bad',
    );
    const detail = problemOf(found);
    if (detail === undefined) continue;
    findings.set(position, [{ rule: 'crl-issuer-signature', clause: 'RFC 5280 6.3.3', detail }]);
  }
  return findings;
}

/** Undefined where there is no such issuer, one has signed, or that cannot be told. */
function problemOf(found: FoundIssuer): string | undefined {
  if (found.kind !== 'none' || found.first === undefined) return undefined;
  return `the signature does not verify with the key of object ${String(found.first.position)}, which has its issuer's name`;
}
