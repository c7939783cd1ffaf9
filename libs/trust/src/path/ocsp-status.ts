import { hash } from 'node:crypto';
import { oids } from '@certmill/der';
import { crlReasonOf } from '@certmill/domain';
import { extensionsOf } from '../inspect/extension-view.js';
import { isoTime } from '../inspect/view.js';
import type { DerNode } from '../lint/der-node.js';
import { findExtension, repeatedExtensions } from '../lint/linted-certificate.js';
import { ownProblems } from './check-path.js';
import { crlFindings, type ReadCrl } from './crl-status.js';
import { isSameBytes, type PathCertificate, readPathCertificate } from './path-certificate.js';
import {
  type BasicOcspResponse,
  hashOfCertId,
  type OcspCertId,
  type OcspResponse,
  type OcspSingleResponse,
  ocspResponseStatuses,
} from './read-ocsp-response.js';
import { isForGood, type StatusFinding, statusOf } from './status.js';
import { hasSigned, verifySignature } from './verify-signature.js';

const lacksPurpose = 'the certificate of its responder lacks id-kp-OCSPSigning';

export interface StatusSources {
  readonly responses: readonly OcspResponse[];
  /** They tell the status of responders. */
  readonly crls: readonly ReadCrl[];
}

/**
 * What the responses say of a certificate (RFC 6960 3.2), one finding for each answer that is about it.
 * A responder is the issuer itself, or has a certificate of it with id-kp-OCSPSigning in the response.
 */
export function ocspFindings(
  certificate: PathCertificate,
  issuer: PathCertificate,
  { responses, crls }: StatusSources,
  atSeconds: number,
): readonly StatusFinding[] {
  return responses.flatMap(({ status, basic }, index) => {
    if (basic === undefined) {
      const name =
        ocspResponseStatuses[status] ?? `${String(status)}, which is no OCSPResponseStatus`;
      const detail =
        name === 'successful'
          ? 'the response is of a type that is not known'
          : `the responder answered ${name}`;
      return [{ source: 'ocsp', index, state: 'unusable', detail } as const];
    }
    const about = basic.responses.filter(({ certId }) => isAbout(certId, certificate, issuer));
    if (about.length === 0) return [];
    const responder = responderOf(basic, issuer, crls, atSeconds);
    return about.map((single): StatusFinding => {
      const answer = answerOf(single, index, atSeconds);
      const saidSeconds = saidSecondsOf(single, answer, atSeconds);
      const detail =
        responder.problem ??
        endProblem(responder.delegate, saidSeconds) ??
        extensionProblem(basic, single) ??
        timeProblem(single, saidSeconds);
      return detail === undefined ? answer : { source: 'ocsp', index, state: 'unusable', detail };
    });
  });
}

/**
 * When the answer, and its responder's certificate, must be good: a revocation for good outlasts both
 * (RFC 5280 5.3.1). One without a reason may be a hold that was released since: a responder may leave it out.
 */
function saidSecondsOf(
  { thisUpdateSeconds }: OcspSingleResponse,
  answer: StatusFinding,
  atSeconds: number,
): number {
  const isLasting = isForGood(answer) && 'reason' in answer && answer.reason !== undefined;
  return isLasting ? thisUpdateSeconds : atSeconds;
}

function isAbout(certId: OcspCertId, certificate: PathCertificate, issuer: PathCertificate) {
  const algorithm = hashOfCertId(certId);
  return (
    algorithm !== undefined &&
    isSameBytes(certId.serialNumber, certificate.certificate.serialNumber.content) &&
    isSameBytes(
      certId.issuerNameHash,
      hash(algorithm, certificate.certificate.issuer.der, 'buffer'),
    ) &&
    isSameBytes(certId.issuerKeyHash, hash(algorithm, issuer.subjectPublicKey, 'buffer'))
  );
}

interface Responder {
  /** Where it is not the issuer itself. */
  readonly delegate?: PathCertificate;
  /** Whatever the time of the answer. */
  readonly problem?: string | undefined;
}

/** RFC 6960 4.2.2.2. */
function responderOf(
  basic: BasicOcspResponse,
  issuer: PathCertificate,
  crls: readonly ReadCrl[],
  atSeconds: number,
): Responder {
  const candidates = [
    issuer,
    ...basic.certificates.flatMap((der) => readPathCertificate(der) ?? []),
  ].filter((candidate) => isNamed(basic.responder, candidate));
  if (candidates.length === 0) return { problem: 'the certificate of its responder is not in it' };
  const signer = candidates.find((candidate) => hasSignedResponse(candidate, basic));
  if (signer === undefined) {
    return { problem: "its signature does not verify with its responder's key" };
  }
  if (signer === issuer) return {};
  return { delegate: signer, problem: delegateProblem(signer, issuer, crls, atSeconds) };
}

/**
 * What the response shows to be wrong with its own signer, by the certificates in it and without its issuer;
 * undefined also where none of them is the responder's.
 */
export function enclosedSignerProblem(basic: BasicOcspResponse): string | undefined {
  const enclosed = basic.certificates
    .flatMap((der) => readPathCertificate(der) ?? [])
    .filter((candidate) => isNamed(basic.responder, candidate));
  if (enclosed.length === 0) return undefined;
  const signer = enclosed.find((candidate) => hasSignedResponse(candidate, basic));
  if (signer === undefined) return "its signature does not verify with its responder's key";
  const isResponder = signer.isCa || signer.purposes?.includes(oids.id_kp_OCSPSigning) === true;
  return isResponder ? undefined : lacksPurpose;
}

function isNamed(responder: BasicOcspResponse['responder'], candidate: PathCertificate): boolean {
  return 'name' in responder
    ? isSameBytes(responder.name.der, candidate.certificate.subject.der)
    : isSameBytes(responder.keyHash, hash('sha1', candidate.subjectPublicKey, 'buffer'));
}

function hasSignedResponse({ publicKey }: PathCertificate, basic: BasicOcspResponse): boolean {
  const { signatureAlgorithm, tbsResponseData, signature } = basic;
  return (
    publicKey !== undefined &&
    verifySignature(signatureAlgorithm, tbsResponseData.der, signature, publicKey) === 'good'
  );
}

function delegateProblem(
  delegate: PathCertificate,
  issuer: PathCertificate,
  crls: readonly ReadCrl[],
  atSeconds: number,
): string | undefined {
  const { certificate, purposes = [] } = delegate;
  const isOfIssuer =
    isSameBytes(certificate.issuer.der, issuer.certificate.subject.der) &&
    hasSigned(issuer.publicKey, delegate);
  if (!isOfIssuer) return 'its responder is neither the issuer nor certified by it';
  const [problem] = ownProblems(delegate, [oids.id_pkix_ocsp_nocheck]);
  if (problem !== undefined) return `of the certificate of its responder, ${problem.detail}`;
  if (!purposes.includes(oids.id_kp_OCSPSigning)) {
    return lacksPurpose;
  }
  // Where no list tells, the responder is believed: its CA may have no way to say so (4.2.2.2.1).
  const isRevoked =
    findExtension(certificate, oids.id_pkix_ocsp_nocheck) === undefined &&
    statusOf(crlFindings(delegate, issuer, crls, atSeconds)).state === 'revoked';
  return isRevoked ? 'the certificate of its responder is revoked' : undefined;
}

function endProblem(
  delegate: PathCertificate | undefined,
  saidSeconds: number,
): string | undefined {
  const isValid =
    delegate === undefined ||
    (saidSeconds >= delegate.notBeforeSeconds && saidSeconds <= delegate.notAfterSeconds);
  return isValid ? undefined : 'the certificate of its responder is not valid at that time';
}

/** Of the response, or of the answer in it (RFC 6960 4.4, RFC 5280 4.2). */
function extensionProblem(
  basic: BasicOcspResponse,
  single: OcspSingleResponse,
): string | undefined {
  return extensionDoubts(basic.extensions)[0] ?? extensionDoubts(single.extensions)[0];
}

/** Why nobody is to rely on it for these extensions: of none of them what it demands is done here. */
export function extensionDoubts(list: DerNode | undefined): readonly string[] {
  const extensions = extensionsOf(list);
  const critical = extensions.filter((extension) => extension.critical);
  return [
    ...repeatedExtensions(extensions).map((oid) => `its extension ${oid} stands twice`),
    ...critical.map(({ oid }) => `its critical extension ${oid} is not understood`),
  ];
}

/**
 * How long an answer counts that does not say until when. Without nextUpdate its responder has newer
 * information at any time (RFC 6960 4.2.2.1), and whether an answer is recent is for who relies on it to
 * say (3.2): it was signed as it was asked for, and the five minutes are for clocks that differ.
 */
const undatedSeconds = 300;

function timeProblem(
  { thisUpdateSeconds, nextUpdateSeconds, hasNextUpdate }: OcspSingleResponse,
  atSeconds: number,
): string | undefined {
  if (!(atSeconds >= thisUpdateSeconds)) {
    return `it is of ${isoTime(thisUpdateSeconds) ?? 'no time'}, after the time in question`;
  }
  if (!hasNextUpdate) {
    return atSeconds > thisUpdateSeconds + undatedSeconds
      ? `it is of ${isoTime(thisUpdateSeconds) ?? ''} and does not say until when it counts (nextUpdate)`
      : undefined;
  }
  return atSeconds <= nextUpdateSeconds
    ? undefined
    : `it was to be replaced at ${isoTime(nextUpdateSeconds) ?? 'no time'} (nextUpdate)`;
}

function answerOf(
  { status, thisUpdateSeconds, nextUpdateSeconds }: OcspSingleResponse,
  index: number,
  atSeconds: number,
): StatusFinding {
  const common = { source: 'ocsp', index, thisUpdateSeconds, nextUpdateSeconds } as const;
  if (status.state !== 'revoked') return { ...common, state: status.state };
  // It is said at thisUpdate, whatever time is given: the clock of whoever revoked may have been ahead.
  if (Math.min(status.atSeconds, thisUpdateSeconds) > atSeconds) {
    return { ...common, state: 'good' };
  }
  const reason = status.reason === undefined ? undefined : crlReasonOf(status.reason);
  return { ...common, state: 'revoked', atSeconds: status.atSeconds, reason };
}
