import { CertmillError } from '@certmill/domain';
import type { NameConstraints, WritableSubtree } from '@certmill/der';
import { type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { type CaCertificateSpec, newCaSerialNumber } from './issue-ca-certificate.js';
import type { Issuer } from './load-issuers.js';

/** What a certificate says, to be said again. INVALID_INPUT where it says what is not written here. */
export function specOfCertificate(
  certificate: CaCertificate,
): Omit<CaCertificateSpec, 'notBeforeMs' | 'notAfterMs' | 'status'> {
  const { subjectDer, pathLenConstraint, keyUsage = [] } = certificate;
  const { policies, extKeyUsage } = certificate.limits;
  const own = keyUsage.filter((usage) => usage !== 'keyCertSign' && usage !== 'cRLSign');
  const constraints = writableConstraints(certificate.limits.nameConstraints);
  return {
    subjectDer,
    serialNumber: newCaSerialNumber(),
    keyUsage: own,
    ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
    ...(policies === undefined ? {} : { policies }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(constraints === undefined ? {} : { nameConstraints: constraints }),
  };
}

/** Throws INVALID_INPUT where a subtree is of a form that cannot be written. */
export function writableConstraints(
  constraints: NameConstraints | undefined,
): NameConstraints<WritableSubtree> | undefined {
  if (constraints === undefined) return undefined;
  const { permitted, excluded } = constraints;
  if (permitted.every(isWritable) && excluded.every(isWritable)) return { permitted, excluded };
  throw new CertmillError('INVALID_INPUT', 'nameConstraints of this form cannot be written');
}

function isWritable(subtree: NameConstraints['permitted'][number]): subtree is WritableSubtree {
  return (
    subtree.kind === 'iPAddress' ||
    subtree.kind === 'directoryName' ||
    subtree.kind === 'dNSName' ||
    subtree.kind === 'rfc822Name' ||
    subtree.kind === 'uniformResourceIdentifier'
  );
}

/** The certificate of a CA of a folder, read. */
export function certificateOf(ca: Issuer): CaCertificate {
  return readCaCertificate(
    ca.chainDer[0] ?? new Uint8Array(),
    `the certificate of CA '${ca.name}'`,
  );
}
