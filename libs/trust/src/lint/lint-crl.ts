import {
  type CertificateListWalk,
  DerReader,
  oids,
  readExtensions,
  walkCrlEntries,
} from '@certmill/der';
import { readDerNode } from './der-node.js';
import type { LintFinding } from './lint-rule.js';
import { signatureHashClause, signatureWeaknessOf } from './weak-algorithms.js';

const cRLNumber = '2.5.29.20';
const deltaCRLIndicator = '2.5.29.27';
const issuingDistributionPoint = '2.5.29.28';
const maxCrlNumberOctets = 20;

/** Judges a CRL by RFC 5280 5. @param walk of the same bytes, without an error. */
export function lintCrl(der: Uint8Array, walk: CertificateListWalk): readonly LintFinding[] {
  const found: LintFinding[] = [];
  const say = (isWrong: boolean, rule: string, clause: string, detail: string): void => {
    if (isWrong) found.push({ rule, clause: `RFC 5280 ${clause}`, detail });
  };
  const innerAlgorithm = der.subarray(walk.tbsSignatureStart, walk.tbsSignatureEnd);
  const outerAlgorithm = der.subarray(walk.signatureAlgorithmStart, walk.signatureAlgorithmEnd);
  say(
    Buffer.compare(innerAlgorithm, outerAlgorithm) !== 0,
    'crl-signature-algorithm-agrees',
    '5.1.1.2',
    'signatureAlgorithm and tbsCertList.signature differ',
  );
  const algorithm = readDerNode(outerAlgorithm);
  const weakness = algorithm && signatureWeaknessOf(algorithm);
  if (weakness !== undefined) {
    found.push({ rule: 'crl-signature-hash', clause: signatureHashClause, detail: weakness });
  }
  say(walk.version !== 2, 'crl-version-is-2', '5.1.2.1', 'the version is not 2');
  say(
    walk.issuerEnd - walk.issuerStart <= 2,
    'crl-issuer-not-empty',
    '5.1.2.3',
    'the issuer name is empty',
  );
  say(Number.isNaN(walk.nextUpdateSeconds), 'crl-next-update', '5.1.2.5', 'nextUpdate is missing');
  say(
    walk.nextUpdateSeconds <= walk.thisUpdateSeconds,
    'crl-times-in-order',
    '5.1.2.5',
    'nextUpdate is not after thisUpdate',
  );
  found.push(...extensionFindings(der, walk), ...entryFindings(der, walk));
  return found;
}

function extensionFindings(der: Uint8Array, walk: CertificateListWalk): readonly LintFinding[] {
  const read =
    walk.extensionsStart < 0
      ? ({ ok: true, value: [] } as const)
      : readExtensions(der, walk.extensionsStart, walk.extensionsEnd);
  const finding = (rule: string, clause: string, detail: string): LintFinding => ({
    rule,
    clause: `RFC 5280 ${clause}`,
    detail,
  });
  if (!read.ok) return [finding('crl-extensions', '5.2', `extensions: ${read.error.code}`)];
  const find = (oid: string) => read.value.find((extension) => extension.oid === oid);
  const findings: LintFinding[] = [];
  if (find(oids.id_ce_authorityKeyIdentifier) === undefined) {
    findings.push(
      finding('crl-authority-key-identifier', '5.2.1', 'authorityKeyIdentifier is missing'),
    );
  }
  const number = find(cRLNumber);
  if (number === undefined) {
    findings.push(finding('crl-number', '5.2.3', 'cRLNumber is missing'));
  } else {
    if (number.critical) {
      findings.push(finding('crl-number', '5.2.3', 'cRLNumber must not be critical'));
    }
    const octets = integerOctets(der, number.valueStart, number.valueEnd);
    if (octets === undefined || octets > maxCrlNumberOctets) {
      findings.push(
        finding('crl-number', '5.2.3', 'cRLNumber is not a positive INTEGER of at most 20 octets'),
      );
    }
  }
  for (const [oid, clause, name] of [
    [deltaCRLIndicator, '5.2.4', 'deltaCRLIndicator'],
    [issuingDistributionPoint, '5.2.5', 'issuingDistributionPoint'],
  ] as const) {
    if (find(oid)?.critical === false) {
      findings.push(finding(`crl-${name}`, clause, `${name} must be critical`));
    }
  }
  return findings;
}

/** Octets of the positive INTEGER that fills the range; undefined where there is none. */
function integerOctets(der: Uint8Array, start: number, end: number): number | undefined {
  const reader = new DerReader();
  const isRead = reader.reset(der, start, end) && reader.integer(end) && reader.close(end);
  if (!isRead || reader.octet(reader.contentStart) >= 0x80) return undefined;
  return reader.contentEnd - reader.contentStart;
}

/** Each once: a list of millions that is wrong everywhere is told so in one line. */
function entryFindings(der: Uint8Array, walk: CertificateListWalk): readonly LintFinding[] {
  let latestSeconds = 0;
  const failure = walkCrlEntries(der, walk, ({ revocationDateSeconds }) => {
    latestSeconds = Math.max(latestSeconds, revocationDateSeconds);
    return true;
  });
  const findings: LintFinding[] = [];
  if (walk.hasEntries && walk.entriesEnd === walk.entriesStart) {
    findings.push({
      rule: 'crl-entries-absent',
      clause: 'RFC 5280 5.1.2.6',
      detail: 'revokedCertificates must be absent where nothing is revoked',
    });
  }
  if (latestSeconds > walk.thisUpdateSeconds) {
    findings.push({
      rule: 'crl-revocation-date',
      clause: 'RFC 5280 5.1.2.6',
      detail: 'a revocationDate is later than thisUpdate',
    });
  }
  if (failure !== undefined) {
    findings.push({
      rule: 'crl-entry-is-der',
      clause: 'RFC 5280 5.1',
      detail: `an entry cannot be read (${failure.error} at octet ${String(failure.errorOffset)})`,
    });
  }
  return findings;
}
