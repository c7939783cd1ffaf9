import {
  CertmillError,
  type FieldValue,
  type Profile,
  type SubjectAltName,
} from '@certmill/domain';
import {
  type ConstrainedName,
  createCertificateWalk,
  type DecodedName,
  type DerResult,
  isSameNameText,
  isWithin,
  type NameConstraints,
  oids,
  readCertificatePolicies,
  readExtensions,
  readExtKeyUsage,
  readName,
  readNameConstraints,
  walkCertificate,
} from '@certmill/der';
import { literalEndsOf } from './literal-ends.js';
import { subjectAttributeOids } from './subject-attribute-oids.js';

/** What the certificates of an issuer's chain leave to those below it; absent: everything. */
export interface IssuerLimits {
  /** Of each certificate of the chain that has some (RFC 5280 4.2.1.10). */
  readonly nameConstraints?: readonly NameConstraints[];
  /** Purposes that every certificate of the chain allows which names some. */
  readonly extKeyUsage?: readonly string[];
  /** Policies, likewise (RFC 5280 4.2.1.4). */
  readonly policies?: readonly string[];
}

/**
 * Throws PROFILE_INVALID, with the clause, for a profile that widens its issuer's constraints: whose
 * purposes or policies the issuer does not have, or of whose names it is not certain that each keeps the
 * constraints. A variable name is certain where its `pattern` begins or ends with text that is.
 */
export function assertWithinIssuer(profile: Profile, limits: IssuerLimits): void {
  const { extKeyUsage, certificatePolicies } = profile.extensions;
  const purpose = beyond(extKeyUsage?.purposes, limits.extKeyUsage);
  if (purpose !== undefined) {
    throw widens(profile, `purpose ${purpose} (extKeyUsage, RFC 5280 4.2.1.12)`);
  }
  const policy = beyond(certificatePolicies?.policies, limits.policies);
  if (policy !== undefined) {
    throw widens(profile, `policy ${policy} (certificatePolicies, RFC 5280 4.2.1.4)`);
  }
  for (const constraints of limits.nameConstraints ?? []) {
    const name = uncertainName(profile, constraints);
    if (name === undefined) continue;
    throw widens(profile, `${name} (nameConstraints, RFC 5280 4.2.1.10)`);
  }
}

/** Whether names of the profile's certificates differ: then each is held against the constraints. */
export function hasVariableNames({ subject, extensions }: Profile): boolean {
  const names = [...subject, ...(extensions.subjectAltName?.names ?? [])];
  return names.some(({ value }) => 'from' in value);
}

function beyond(
  wanted: readonly string[] | undefined,
  allowed: readonly string[] | undefined,
): string | undefined {
  return allowed === undefined ? undefined : wanted?.find((oid) => !allowed.includes(oid));
}

function widens(profile: Profile, what: string): CertmillError {
  return new CertmillError(
    'PROFILE_INVALID',
    `profile ${profile.name} widens its issuer's constraints: ${what}`,
  );
}

/** The first name that could leave the constraints. */
function uncertainName(profile: Profile, constraints: NameConstraints): string | undefined {
  if (!isSubjectCertain(profile, constraints)) return 'the subject';
  const names = profile.extensions.subjectAltName?.names ?? [];
  const at = names.findIndex((name) => !isCertain(name, constraints));
  return at < 0 ? undefined : `subjectAltName ${names[at]?.type ?? ''}[${String(at)}]`;
}

function isSubjectCertain(profile: Profile, { permitted, excluded }: NameConstraints): boolean {
  if (profile.subject.length === 0) return true;
  const bases = permitted.flatMap((subtree) =>
    subtree.kind === 'directoryName' ? [nameOf(subtree.nameDer)] : [],
  );
  if (bases.length > 0 && !bases.some((base) => beginsWith(profile, base) === 'always')) {
    return false;
  }
  return excluded.every(
    (subtree) =>
      subtree.kind !== 'directoryName' || beginsWith(profile, nameOf(subtree.nameDer)) === 'never',
  );
}

function nameOf(nameDer: Uint8Array): DecodedName {
  const name = readName(nameDer, 0, nameDer.length);
  if (name.ok) return name.value;
  throw new CertmillError('PROFILE_INVALID', "a name of the issuer's constraints cannot be read");
}

/** Whether every subject of the profile begins with these RDNs, none does, or it depends. */
function beginsWith(profile: Profile, base: DecodedName): 'always' | 'never' | 'sometimes' {
  let isCertain = true;
  for (const [index, rdn] of base.entries()) {
    const attribute = profile.subject[index];
    if (attribute === undefined) return 'never';
    const { value } = attribute;
    const [only] = rdn;
    if ('fixed' in value) {
      const isSame =
        rdn.length === 1 &&
        only?.oid === subjectAttributeOids[attribute.type] &&
        isSameNameText(only.value, value.fixed);
      if (!isSame) return 'never';
    } else {
      // What stands behind an attribute that may be left out has no certain place.
      if (!value.required) return 'sometimes';
      if (only?.oid !== subjectAttributeOids[attribute.type]) return 'never';
      isCertain = false;
    }
  }
  return isCertain ? 'always' : 'sometimes';
}

function isCertain(name: SubjectAltName, constraints: NameConstraints): boolean {
  if (name.type === 'hardwareModuleName') {
    return isWithin(constraints, { kind: 'otherName', typeId: oids.id_on_hardwareModuleName });
  }
  if ('fixed' in name.value) {
    return isWithin(constraints, { kind: name.type, value: name.value.fixed });
  }
  const { permitted, excluded } = constraints;
  const isConstrained = [...permitted, ...excluded].some(({ kind }) => kind === name.type);
  return !isConstrained || isVariableCertain(name.type, name.value, constraints);
}

function isVariableCertain(
  kind: 'dNSName' | 'rfc822Name' | 'uniformResourceIdentifier',
  { pattern }: Extract<FieldValue, { readonly from: unknown }>,
  constraints: NameConstraints,
): boolean {
  if (pattern === undefined) return false;
  const { prefix, suffix } = literalEndsOf(pattern);
  if (kind === 'uniformResourceIdentifier') {
    // The host is certain where the literal goes beyond it.
    const isHost = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]+(?::\d+)?[/?#]/i.test(prefix);
    return isHost && isWithin(constraints, { kind, value: prefix });
  }
  const stop = kind === 'dNSName' ? suffix.indexOf('.') : suffix.indexOf('@');
  if (stop < 0) return false;
  const { excluded, permitted } = constraints;
  const isClear = excluded.every(
    (subtree) => subtree.kind !== kind || !mayEndAlike(suffix, subtree.value),
  );
  // Any text may stand before the suffix: one that no subtree names stands for all of them.
  const sample: ConstrainedName = { kind, value: `\0${suffix}` };
  return isClear && isWithin({ permitted, excluded: [] }, sample);
}

/** Whether a text with this end may also end with the other. */
function mayEndAlike(suffix: string, base: string): boolean {
  const [left, right] = [suffix.toLowerCase(), base.toLowerCase()];
  return left.endsWith(right) || right.endsWith(left);
}

/** What one certificate of a chain says of those below it. */
export interface CertificateLimits {
  readonly nameConstraints?: NameConstraints;
  readonly extKeyUsage?: readonly string[];
  readonly policies?: readonly string[];
}

/** Reads a CA certificate for its limits; PROFILE_INVALID where they cannot be read. */
export function readCertificateLimits(certificateDer: Uint8Array): CertificateLimits {
  const walk = createCertificateWalk();
  const isCertificate = walkCertificate(certificateDer, 0, certificateDer.length, walk);
  if (!isCertificate) throw unreadable();
  if (walk.extensionsStart < 0) return {};
  const extensions = valueOf(
    readExtensions(certificateDer, walk.extensionsStart, walk.extensionsEnd),
  );
  const read = <T>(
    oid: string,
    reader: (bytes: Uint8Array, start: number, end: number) => DerResult<T>,
  ): T | undefined => {
    const found = extensions.find((candidate) => candidate.oid === oid);
    if (found === undefined) return undefined;
    return valueOf(reader(certificateDer, found.valueStart, found.valueEnd));
  };
  const nameConstraints = read(oids.id_ce_nameConstraints, readNameConstraints);
  const extKeyUsage = read(oids.id_ce_extKeyUsage, readExtKeyUsage);
  const policies = read(oids.id_ce_certificatePolicies, readCertificatePolicies);
  return {
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(policies === undefined ? {} : { policies }),
  };
}

/** What is left where every certificate of a chain is held; those that name nothing limit nothing. */
export function limitsOfChain(chain: readonly CertificateLimits[]): IssuerLimits {
  const extKeyUsage = inAll(
    chain.map((certificate) => certificate.extKeyUsage),
    oids.anyExtendedKeyUsage,
  );
  const policies = inAll(
    chain.map((certificate) => certificate.policies),
    oids.anyPolicy,
  );
  const nameConstraints = chain.flatMap((certificate) => certificate.nameConstraints ?? []);
  return {
    ...(nameConstraints.length === 0 ? {} : { nameConstraints }),
    ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
    ...(policies === undefined ? {} : { policies }),
  };
}

function inAll(
  lists: readonly (readonly string[] | undefined)[],
  any: string,
): readonly string[] | undefined {
  const [first, ...others] = lists.filter(
    (list) => list !== undefined && !list.includes(any),
  ) as readonly (readonly string[])[];
  return first?.filter((oid) => others.every((other) => other.includes(oid)));
}

function valueOf<T>(result: DerResult<T>): T {
  if (result.ok) return result.value;
  throw unreadable();
}

function unreadable(): CertmillError {
  return new CertmillError('PROFILE_INVALID', "the limits of the issuer's chain cannot be read");
}
