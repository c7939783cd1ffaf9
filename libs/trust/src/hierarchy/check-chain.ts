import { nameOutside } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { type CaCertificate, isSelfIssued, readCaCertificate } from './ca-certificate.js';

/** A chain has an issuing CA, a root and few in between; more is a file of something else. */
export const maxChainLength = 8;

/**
 * Checks a chain as RFC 5280 6.1 would, issuing CA first: each certificate is signed by the next and
 * names it, each is a CA that may sign certificates and is valid now, path lengths hold, and the
 * last one is self-signed. Throws INVALID_INPUT with the place and the reason.
 * @param nowMs Undefined where no time is asked about: an issuer whose life is over stays a chain.
 */
export function checkChain(chain: readonly CaCertificate[], nowMs: number | undefined): void {
  if (chain.length > maxChainLength) {
    throw refusal(`the chain has ${String(chain.length)} certificates, at most 8 make sense`);
  }
  chain.forEach((certificate, index) => {
    const next = chain[index + 1];
    const place = placeOf(certificate, index);
    checkCa(certificate, place, nowMs);
    checkNames(certificate, place, chain.slice(index + 1));
    // A self-issued CA, a root's other key, is not counted (RFC 5280 4.2.1.9).
    const below = chain.slice(0, index).filter((lower) => !isSelfIssued(lower)).length;
    if (certificate.pathLenConstraint !== undefined && certificate.pathLenConstraint < below) {
      throw refusal(
        `${place} allows ${String(certificate.pathLenConstraint)} CAs below it, the chain has ` +
          `${String(below)} (pathLenConstraint, RFC 5280 4.2.1.9)`,
      );
    }
    if (next !== undefined) {
      checkIssued(certificate, place, next, placeOf(next, index + 1));
    } else if (!isSelfSigned(certificate)) {
      throw refusal(`the chain ends with ${place}, which is no self-signed root; add its issuer`);
    }
  });
}

/** The same of certificates that have not been read, whatever the time is. */
export function checkChainDer(chainDer: readonly Uint8Array[]): void {
  const chain = chainDer.map((der, index) =>
    readCaCertificate(der, `certificate ${String(index + 1)}`),
  );
  checkChain(chain, undefined);
}

function checkCa(certificate: CaCertificate, place: string, nowMs: number | undefined): void {
  if (!certificate.isCa) {
    throw refusal(`${place} is no CA certificate (basicConstraints, RFC 5280 4.2.1.9)`);
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes('keyCertSign')) {
    throw refusal(`${place} may not sign certificates (keyCertSign, RFC 5280 4.2.1.3)`);
  }
  if (certificate.keyUsage === undefined) {
    throw refusal(`${place} has no keyUsage, which every CA must have (RFC 5280 4.2.1.3)`);
  }
  if (nowMs === undefined) return;
  if (nowMs < certificate.notBeforeMs) {
    throw refusal(`${place} is not valid before ${isoTime(certificate.notBeforeMs)}`);
  }
  if (nowMs > certificate.notAfterMs) {
    throw refusal(`${place} expired at ${isoTime(certificate.notAfterMs)}`);
  }
}

/** RFC 5280 6.1.3 (b), (c): a CA is held against the name constraints of those above it. */
function checkNames(
  { names, subjectDer, issuerDer }: CaCertificate,
  place: string,
  above: readonly CaCertificate[],
): void {
  if (isSelfIssued({ subjectDer, issuerDer })) return;
  for (const {
    limits: { nameConstraints },
  } of above) {
    const outside = nameConstraints && nameOutside(nameConstraints, names);
    if (outside === undefined) continue;
    throw refusal(
      `${outside} of ${place} leaves the name constraints of a CA above it (RFC 5280 4.2.1.10)`,
    );
  }
}

function checkIssued(
  certificate: CaCertificate,
  place: string,
  issuer: CaCertificate,
  issuerPlace: string,
): void {
  if (Buffer.compare(certificate.issuerDer, issuer.subjectDer) !== 0) {
    throw refusal(
      `${place} was issued by another CA than ${issuerPlace}; put the chain in order, ` +
        'issuing CA first, root last',
    );
  }
  if (!certificate.certificate.verify(issuer.certificate.publicKey)) {
    throw refusal(`the signature of ${place} does not verify with the key of ${issuerPlace}`);
  }
}

function isSelfSigned(certificate: CaCertificate): boolean {
  return (
    isSelfIssued(certificate) && certificate.certificate.verify(certificate.certificate.publicKey)
  );
}

function placeOf(certificate: CaCertificate, index: number): string {
  const name = certificate.subject.slice(0, 100);
  return `certificate ${String(index + 1)} of the chain (${name})`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function refusal(message: string): CertmillError {
  return new CertmillError('INVALID_INPUT', message);
}
