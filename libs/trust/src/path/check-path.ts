import {
  nameOutside,
  oids,
  readNameConstraints,
  readTbsNames,
  contextPrimitive,
  tags,
  type ConstrainedNames,
} from '@certmill/der';
import { type DerNode, oidOf } from '../lint/der-node.js';
import { findExtension, repeatedExtensions, usageBit } from '../lint/linted-certificate.js';
import { keyStrengthClause, keyWeaknessOf } from '../lint/weak-algorithms.js';
import { isoTime } from '../inspect/view.js';
import { isSelfIssuedCertificate, type PathCertificate } from './path-certificate.js';

/** What is wrong with a path, and with which of its certificates: 0 is the one that is asked about. */
export interface PathProblem {
  readonly position: number;
  /** Where the rule stands. */
  readonly clause: string;
  readonly detail: string;
}

export interface PathDemands {
  /** Absent where no time is asked about. */
  readonly atSeconds?: number;
  /** OID that the certificate must be good for, by extKeyUsage. */
  readonly purpose?: string;
}

/** Extensions that are processed here or say nothing that a path could break. */
const understood: ReadonlySet<string> = new Set([
  oids.id_ce_basicConstraints,
  oids.id_ce_keyUsage,
  oids.id_ce_extKeyUsage,
  oids.id_ce_nameConstraints,
  oids.id_ce_subjectAltName,
  oids.id_ce_issuerAltName,
  oids.id_ce_subjectKeyIdentifier,
  oids.id_ce_authorityKeyIdentifier,
  oids.id_ce_certificatePolicies,
  oids.id_ce_cRLDistributionPoints,
  oids.id_ce_freshestCRL,
  oids.id_pe_authorityInfoAccess,
]);

/**
 * Those that say something of policies only, and so nothing where no path has to have one (RFC 5280 6.1.4 (a), (b),
 * (i), (j)): 4.2.1.11 and 4.2.1.14 have them critical. By OID: whether a value is one of them.
 */
const withoutEffect: ReadonlyMap<string, (value: DerNode) => boolean> = new Map([
  [oids.id_ce_inhibitAnyPolicy, (value) => isCount(value, tags.integer)],
  [oids.id_ce_policyMappings, isPolicyMappings],
  [oids.id_ce_policyConstraints, inhibitsMappingsOnly],
]);

/**
 * Validates a path whose names and signatures are known to chain (RFC 5280 6.1), the certificate first, the
 * trust anchor last. The anchor is trusted as it is: of it only time, key and path length are looked at.
 * Policies are not processed: a path has a problem where a critical extension asks for one (requireExplicitPolicy).
 */
export function checkPath(
  path: readonly PathCertificate[],
  demands: PathDemands,
): readonly PathProblem[] {
  return path.flatMap((member, position) => {
    const isAnchor = position === path.length - 1 && path.length > 1;
    const found = [
      ...timeProblems(member, demands.atSeconds),
      ...(isAnchor ? keyProblems(member) : ownProblems(member)),
      ...(position === 0 ? purposeProblems(member, demands.purpose) : []),
      ...(position > 0 ? issuerProblems(path, position, demands.purpose) : []),
    ];
    return found.map((problem) => ({ position, ...problem }));
  });
}

/**
 * What of it does not change with what is known or thought strong enough: whether the CAs of a path may have
 * signed what is below them, by their path lengths and name constraints.
 */
export function checkTiers(path: readonly PathCertificate[]): readonly PathProblem[] {
  return path.flatMap((_, position) =>
    position === 0
      ? []
      : issuerProblems(path, position, undefined).map((problem) => ({ position, ...problem })),
  );
}

/**
 * What makes a certificate unfit that nobody trusts as it is, whatever it is used for: its key, and its
 * extensions. `known`: critical extensions that its use has beside those of paths.
 */
export function ownProblems(
  certificate: PathCertificate,
  known: readonly string[] = [],
): readonly Problem[] {
  return [
    ...keyProblems(certificate),
    ...repetitionProblems(certificate),
    ...criticalProblems(certificate, known),
  ];
}

type Problem = Omit<PathProblem, 'position'>;

function timeProblems(
  { notBeforeSeconds, notAfterSeconds }: PathCertificate,
  atSeconds: number | undefined,
): Problem[] {
  if (atSeconds === undefined) return [];
  const clause = 'RFC 5280 6.1.3 (a)(2)';
  // Times that cannot be read compare as neither.
  if (!(atSeconds >= notBeforeSeconds)) {
    return [{ clause, detail: `not valid before ${isoTime(notBeforeSeconds) ?? 'no time'}` }];
  }
  if (!(atSeconds <= notAfterSeconds)) {
    return [{ clause, detail: `expired at ${isoTime(notAfterSeconds) ?? 'no time'}` }];
  }
  return [];
}

/** A key that can be forged vouches for nobody, the anchor's neither. */
function keyProblems({ certificate }: PathCertificate): Problem[] {
  const detail = keyWeaknessOf(certificate.subjectPKInfo);
  return detail === undefined ? [] : [{ clause: keyStrengthClause, detail }];
}

function purposeProblems({ purposes }: PathCertificate, purpose: string | undefined): Problem[] {
  if (purpose === undefined || purposes === undefined || allows(purposes, purpose)) return [];
  return [
    { clause: 'RFC 5280 4.2.1.12', detail: `extKeyUsage does not have the purpose ${purpose}` },
  ];
}

function allows(purposes: readonly string[], purpose: string): boolean {
  return purposes.includes(purpose) || purposes.includes(oids.anyExtendedKeyUsage);
}

function issuerProblems(
  path: readonly PathCertificate[],
  position: number,
  purpose: string | undefined,
): Problem[] {
  const issuer = path[position];
  const [leaf] = path;
  if (issuer === undefined || leaf === undefined) return [];
  const problems: Problem[] = [];
  if (!issuer.isCa) {
    problems.push({
      clause: 'RFC 5280 6.1.4 (k)',
      detail: 'is no CA (basicConstraints), but has issued a certificate of the path',
    });
  }
  if (issuer.keyUsage?.has(usageBit.keyCertSign) === false) {
    problems.push({
      clause: 'RFC 5280 6.1.4 (n)',
      detail: 'must not sign certificates: its keyUsage lacks keyCertSign',
    });
  }
  const between = path.slice(1, position).filter((member) => !isSelfIssuedCertificate(member));
  if (issuer.pathLenConstraint !== undefined && between.length > issuer.pathLenConstraint) {
    problems.push({
      clause: 'RFC 5280 6.1.4 (l)',
      detail:
        `pathLenConstraint allows ${String(issuer.pathLenConstraint)} CAs below it, ` +
        `the path has ${String(between.length)}`,
    });
  }
  problems.push(...constraintProblems(path, position));
  // Not of RFC 5280, but what every TLS library does: an extKeyUsage of a CA limits what is below it.
  const { purposes } = issuer;
  const wanted = new Set([...(leaf.purposes ?? []), ...(purpose === undefined ? [] : [purpose])]);
  const lost = purposes === undefined ? [] : [...wanted].filter((oid) => !allows(purposes, oid));
  if (lost.length > 0) {
    problems.push({
      clause: 'RFC 5280 4.2.1.12',
      detail: `its extKeyUsage does not allow ${lost.join(', ')} below it`,
    });
  }
  return problems;
}

/** Names of every certificate below, but of self-issued CAs (RFC 5280 6.1.3 (b), (c)). */
function constraintProblems(path: readonly PathCertificate[], position: number): Problem[] {
  const issuer = path[position];
  const extension = issuer && findExtension(issuer.certificate, oids.id_ce_nameConstraints);
  if (extension === undefined) return [];
  const clause = 'RFC 5280 6.1.3 (b)';
  const der = extension.value?.der ?? new Uint8Array();
  const constraints = readNameConstraints(der, 0, der.length);
  if (!constraints.ok) return [{ clause, detail: 'its nameConstraints cannot be read' }];
  return path.slice(0, position).flatMap((member, below) => {
    if (below > 0 && isSelfIssuedCertificate(member)) return [];
    const names = namesOf(member);
    const outside =
      names === undefined ? 'a name that cannot be read' : nameOutside(constraints.value, names);
    if (outside === undefined) return [];
    return [
      {
        clause,
        detail: `its nameConstraints do not allow ${outside} (certificate ${String(below)})`,
      },
    ];
  });
}

function namesOf({ tbsDer }: PathCertificate): ConstrainedNames | undefined {
  const read = readTbsNames(tbsDer, 0, tbsDer.length);
  return read.ok ? read.value : undefined;
}

function repetitionProblems({ certificate }: PathCertificate): Problem[] {
  return repeatedExtensions(certificate.extensions).map((oid) => ({
    clause: 'RFC 5280 4.2',
    detail: `the extension ${oid} stands twice`,
  }));
}

/** RFC 5280 6.1.4 (o), 6.1.5 (f): what is critical and not understood ends the path. */
function criticalProblems({ certificate }: PathCertificate, known: readonly string[]): Problem[] {
  return certificate.extensions
    .filter(({ oid, critical }) => critical && !understood.has(oid) && !known.includes(oid))
    .filter(({ oid, value }) => value === undefined || withoutEffect.get(oid)?.(value) !== true)
    .map(({ oid }) => ({
      clause: 'RFC 5280 6.1.4 (o)',
      detail: `the critical extension ${oid} is not understood`,
    }));
}

/** SkipCerts, an INTEGER from 0 on: of inhibitAnyPolicy, and with another tag in policyConstraints. */
function isCount({ tag, content }: DerNode, expected: number): boolean {
  return tag === expected && content.length > 0 && (content[0] ?? 0) < 0x80;
}

/** RFC 5280 4.2.1.5: pairs of policies, one at least. */
function isPolicyMappings({ tag, children }: DerNode): boolean {
  const isPair = (pair: DerNode): boolean =>
    pair.tag === tags.sequence &&
    pair.children.length === 2 &&
    pair.children.every((child) => oidOf(child) !== undefined);
  return tag === tags.sequence && children.length > 0 && children.every(isPair);
}

/** RFC 5280 4.2.1.11: of the two fields inhibitPolicyMapping [1], and not requireExplicitPolicy [0]. */
function inhibitsMappingsOnly({ tag, children }: DerNode): boolean {
  const [field, ...more] = children;
  return (
    tag === tags.sequence &&
    field !== undefined &&
    more.length === 0 &&
    isCount(field, contextPrimitive(1))
  );
}
