import { CertmillError } from '@certmill/domain';
import { signatureHashClause, signatureWeaknessOf } from '../lint/weak-algorithms.js';
import { buildPath } from './build-path.js';
import { checkPath, type PathDemands, type PathProblem } from './check-path.js';
import { crlFindings, readCrl } from './crl-status.js';
import { ocspFindings } from './ocsp-status.js';
import { mayHaveIssued, type PathCertificate, readPathCertificate } from './path-certificate.js';
import { indexRecords, type RecordedRevocation, recordFindings } from './recorded-revocations.js';
import { readOcspResponse } from './read-ocsp-response.js';
import { type Status, type StatusFinding, statusOf } from './status.js';
import { signatureVerdictOf } from './verify-signature.js';

/** What certificates are verified with; all in DER. */
export interface VerificationSources {
  /** Trusted as they are, whatever signed them. */
  readonly anchors: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly ocspResponses: readonly Uint8Array[];
  /** Believed as they are, like the anchors. */
  readonly records?: readonly RecordedRevocation[];
}

export interface VerificationDemands extends PathDemands {
  readonly atSeconds: number;
  /** Of which certificates the status must be told: a problem where it is not. */
  readonly status: 'none' | 'leaf' | 'all';
}

/** One certificate of a path, with its status and what each source says. */
export interface VerifiedMember {
  readonly subject: string;
  /** Hex. */
  readonly serialNumber: string;
  readonly der: Uint8Array;
  /** Undefined for the anchor, which nobody revokes. */
  readonly status: Status | undefined;
  readonly findings: readonly StatusFinding[];
}

export interface Verification {
  readonly isValid: boolean;
  /** The certificate first, the trust anchor last where one was reached. */
  readonly path: readonly VerifiedMember[];
  readonly problems: readonly PathProblem[];
}

/** Reads the sources once, for any number of certificates. INVALID_INPUT for what is none of its kind. */
export function openVerifier(sources: VerificationSources): {
  verify(certificateDer: Uint8Array, demands: VerificationDemands): Verification;
} {
  const read = <T>(what: string, all: readonly Uint8Array[], reader: (der: Uint8Array) => T) =>
    all.map((der, index) => {
      const value = reader(der);
      if (value !== undefined) return value;
      throw new CertmillError('INVALID_INPUT', `${what} ${String(index + 1)} cannot be read`);
    });
  const anchors = read('trust anchor', sources.anchors, readPathCertificate);
  const intermediates = read('intermediate', sources.intermediates, readPathCertificate);
  const crls = read('CRL', sources.crls, readCrl);
  const records = indexRecords(sources.records ?? []);
  const responses = read('OCSP response', sources.ocspResponses, readOcspResponse);
  return {
    verify(certificateDer, demands) {
      const [leaf] = read('certificate', [certificateDer], readPathCertificate);
      if (leaf === undefined) throw new CertmillError('INVALID_INPUT', 'no certificate');
      const judge = (path: readonly PathCertificate[]) => {
        const members = path.map((member, index) => {
          const issuer = path[index + 1];
          const findings =
            issuer === undefined
              ? []
              : [
                  ...crlFindings(member, issuer, crls, demands.atSeconds),
                  ...recordFindings(member, issuer, records, demands.atSeconds),
                  ...ocspFindings(member, issuer, { responses, crls }, demands.atSeconds),
                ];
          const status = issuer === undefined ? undefined : statusOf(findings);
          return { member, status, findings };
        });
        const problems = [
          ...checkPath(path, demands),
          ...members.flatMap(({ status }, position) =>
            statusProblems(status, position, demands.status),
          ),
        ];
        return { members, problems };
      };
      const { path, isAnchored } = buildPath(
        leaf,
        intermediates,
        anchors,
        (candidate) => judge(candidate).problems.length === 0,
      );
      const { members, problems } = judge(path);
      const all = isAnchored
        ? problems
        : [...problems, notAnchored(path, [...anchors, ...intermediates])];
      return {
        isValid: all.length === 0,
        path: members.map(({ member, status, findings }) => ({
          subject: member.subject,
          serialNumber: Buffer.from(member.certificate.serialNumber.content).toString('hex'),
          der: member.der,
          status,
          findings,
        })),
        problems: all,
      };
    },
  };
}

/** Where what has the name of the missing issuer is here, with why it is not taken. */
function notAnchored(
  path: readonly PathCertificate[],
  known: readonly PathCertificate[],
): PathProblem {
  const position = path.length - 1;
  const last = path[position];
  const named = last === undefined ? [] : known.filter((other) => mayHaveIssued(other, last));
  const verdicts = last === undefined ? [] : named.map((other) => signatureVerdictOf(other, last));
  const weakness = last && signatureWeaknessOf(last.certificate.signatureAlgorithm);
  if (weakness !== undefined && verdicts.includes('good')) {
    const detail = `its issuer is here, but ${weakness}`;
    return { position, clause: signatureHashClause, detail };
  }
  const isForged = verdicts.length > 0 && verdicts.every((verdict) => verdict === 'bad');
  return {
    position,
    clause: 'RFC 5280 6.1.3 (a)(4)',
    detail:
      'no certificate that is here has issued it, and it is no trust anchor' +
      (isForged ? ": its signature does not verify with the key that has its issuer's name" : ''),
  };
}

function statusProblems(
  status: Status | undefined,
  position: number,
  wanted: VerificationDemands['status'],
): readonly PathProblem[] {
  const problem = (detail: string): readonly PathProblem[] => [
    { position, clause: 'RFC 5280 6.1.3 (a)(3)', detail },
  ];
  switch (status?.state) {
    case undefined:
    case 'good':
      return [];
    case 'revoked': {
      const at = new Date(status.atSeconds * 1_000).toISOString().replace('.000', '');
      return problem(`revoked at ${at} (${status.reason ?? 'no reason given'})`);
    }
    case 'unknown':
      return problem('its responder does not know it');
    case 'untold': {
      const isWanted = wanted === 'all' || (wanted === 'leaf' && position === 0);
      return isWanted ? problem('nothing that is here tells its status') : [];
    }
  }
}
