import { X509Certificate } from 'node:crypto';
import type { PathCertificate } from '../path/path-certificate.js';
import { IssuersHere, type PlacedCertificate } from './issuers-here.js';

/** How a certificate of a file hangs together with the others. */
export interface ChainLink {
  readonly position: number;
  /** Empty where the certificate has an empty one (RFC 5280 4.1.2.6). */
  readonly subject: string;
  /** Position of a certificate that made the signature; its own where it signed itself. */
  readonly issuedBy: number | undefined;
  /** There are so many with its issuer's name that not all were tried. */
  readonly isGivenUp: boolean;
}

/** Who issued whom among certificates, by names, key identifiers and signatures; in linear time. */
export function chainLinks(
  certificates: readonly { readonly position: number; readonly der: Uint8Array }[],
): readonly ChainLink[] {
  const here = new IssuersHere(certificates);
  return here.certificates.map((placed) => linkOf(placed, here));
}

function linkOf(placed: PlacedCertificate, here: IssuersHere): ChainLink {
  const { position, certificate } = placed;
  const wanted = {
    name: certificate.certificate.issuer,
    keyIdentifier: certificate.authorityKeyIdentifier,
    self: placed,
  };
  const parsed = parse(certificate.der);
  const found = here.find(wanted, (issuer) => parsed !== undefined && isSignedBy(parsed, issuer));
  return {
    position,
    subject: certificate.subject,
    issuedBy: found.kind === 'found' ? found.issuer.position : undefined,
    isGivenUp: found.kind === 'given-up',
  };
}

/** By whatever algorithm OpenSSL knows: what is asked is who made it, not what it proves. */
function isSignedBy(certificate: X509Certificate, { publicKey }: PathCertificate): boolean {
  try {
    return publicKey !== undefined && certificate.verify(publicKey);
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
