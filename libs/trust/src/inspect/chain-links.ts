import { X509Certificate } from 'node:crypto';

/** How a certificate of a file hangs together with the others. */
export interface ChainLink {
  readonly position: number;
  readonly subject: string;
  /** Position of a certificate that made the signature; its own where it signed itself. */
  readonly issuedBy: number | undefined;
}

/** Who issued whom among certificates, by names and by signatures. */
export function chainLinks(
  certificates: readonly { readonly position: number; readonly der: Uint8Array }[],
): readonly ChainLink[] {
  const parsed = certificates.flatMap(({ position, der }) => {
    const certificate = parse(der);
    return certificate === undefined ? [] : [{ position, certificate }];
  });
  return parsed.map(({ position, certificate }) => ({
    position,
    subject: certificate.subject.replaceAll('\n', ', '),
    issuedBy: parsed.find(({ certificate: issuer }) => isIssuedBy(certificate, issuer))?.position,
  }));
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
