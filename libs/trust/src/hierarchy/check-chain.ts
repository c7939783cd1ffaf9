import { CertmillError } from '@certmill/domain';
import { signatureHashClause, signatureWeaknessOf } from '../lint/weak-algorithms.js';
import { checkPath, checkTiers, type PathProblem } from '../path/check-path.js';
import { type PathCertificate, readPathCertificate } from '../path/path-certificate.js';
import { type CaCertificate, isSelfIssued, readCaCertificate } from './ca-certificate.js';

/** A chain has an issuing CA, a root and few in between; more is a file of something else. */
export const maxChainLength = 8;

/**
 * Checks that a chain is one, issuing CA first: each certificate is signed by the next and names it, each is a CA
 * that may sign certificates and is valid now, path lengths and name constraints hold (RFC 5280 6.1), and the last
 * one is self-signed. Throws INVALID_INPUT with the place and the reason.
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
    checkPathLength(certificate, place, chain.slice(0, index));
    if (next !== undefined) {
      checkIssued(certificate, place, next, placeOf(next, index + 1));
    } else if (!isSelfSigned(certificate)) {
      throw refusal(`the chain ends with ${place}, which is no self-signed root; add its issuer`);
    }
  });
  refuseFirst(checkTiers(pathOf(chain)), chain);
}

/**
 * The same of the chain of a CA that is to be worked with: no rule of paths ends it, such as for a weak key or hash or a
 * critical extension that is not understood, it can revoke what it issues, and is no root, which would end with its
 * key all that is below. What its CAs are good for (extKeyUsage) is asked when they issue.
 */
export function checkWorkingChain(chain: readonly CaCertificate[], nowMs: number): void {
  checkChain(chain, nowMs);
  checkRules(chain);
  const [own] = chain;
  if (own === undefined) return;
  const place = placeOf(own, 0);
  if (isSelfSigned(own)) {
    throw refusal(
      `${place} is a root, which signs CAs only: take in a CA that it has signed ` +
        "('certmill ca request' asks for one)",
    );
  }
  if (own.keyUsage?.includes('cRLSign') !== true) {
    throw refusal(
      `${place} may not sign CRLs (cRLSign, RFC 5280 4.2.1.3), so nobody would learn what it revokes: ` +
        'ask the CA above it for a certificate of this key and subject with keyCertSign and cRLSign',
    );
  }
}

/** As `checkChain`, of certificates that have not been read, whatever the time is: of a chain that was taken in before. */
export function checkChainDer(chainDer: readonly Uint8Array[]): void {
  checkChain(readChain(chainDer), undefined);
}

/** The same of a chain that is new: no rule of paths ends it either. */
export function checkNewChainDer(chainDer: readonly Uint8Array[]): void {
  const chain = readChain(chainDer);
  checkChain(chain, undefined);
  checkRules(chain);
}

function readChain(chainDer: readonly Uint8Array[]): readonly CaCertificate[] {
  return chainDer.map((der, index) => readCaCertificate(der, `certificate ${String(index + 1)}`));
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

/** All below it are CAs, the first too; a self-issued one, a root's other key, is not counted (RFC 5280 4.2.1.9). */
function checkPathLength(
  { pathLenConstraint }: CaCertificate,
  place: string,
  below: readonly CaCertificate[],
): void {
  const count = below.filter((ca) => !isSelfIssued(ca)).length;
  if (pathLenConstraint === undefined || count <= pathLenConstraint) return;
  throw refusal(
    `${place} allows ${String(pathLenConstraint)} CAs below it, the chain has ${String(count)} ` +
      '(pathLenConstraint, RFC 5280 4.2.1.9)',
  );
}

/** What ends every path through the chain. */
function checkRules(chain: readonly CaCertificate[]): void {
  const path = pathOf(chain);
  refuseFirst([...path.slice(0, -1).flatMap(signatureProblems), ...checkPath(path, {})], chain);
}

/** What the first CA is good for is not asked. */
function pathOf(chain: readonly CaCertificate[]): readonly PathCertificate[] {
  return chain.map(({ der }, index) => {
    const read = readPathCertificate(der);
    if (read === undefined) throw refusal(`certificate ${String(index + 1)} cannot be read`);
    return index === 0 ? { ...read, purposes: undefined } : read;
  });
}

function refuseFirst(problems: readonly PathProblem[], chain: readonly CaCertificate[]): void {
  const [problem] = problems;
  const certificate = problem && chain[problem.position];
  if (problem === undefined || certificate === undefined) return;
  const { position, clause, detail } = problem;
  throw refusal(`${placeOf(certificate, position)}: ${detail} (${clause})`);
}

function signatureProblems({ certificate }: PathCertificate, position: number): PathProblem[] {
  const detail = signatureWeaknessOf(certificate.signatureAlgorithm);
  return detail === undefined ? [] : [{ position, clause: signatureHashClause, detail }];
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
