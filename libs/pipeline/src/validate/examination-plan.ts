import { oids } from '@certmill/der';
import {
  csrSources,
  maxDeviceIdBytes,
  type Profile,
  type SubjectAttributeType,
  type ValueSource,
} from '@certmill/domain';
import { subjectAttributeOids } from '../profile/subject-attribute-oids.js';

/** An attribute of the request's subject that the profile takes a value from. */
export interface SubjectColumn {
  readonly oid: string;
  readonly name: SubjectAttributeType;
  /** Its place in Examination.csrValues. */
  readonly column: number;
  /** Upper bound in characters. */
  readonly maxLength: number;
}

/** What the examination needs of a profile, worked out once. */
export interface ExaminationPlan {
  readonly profile: Profile;
  readonly columnCount: number;
  readonly subjectColumns: readonly SubjectColumn[];
  /** Place of `csr.san.hardwareSerialNumber` in Examination.csrValues, -1 where it is not used. */
  readonly hardwareSerialColumn: number;
  /** hwType of the profile's hardwareModuleNames: a request may name no other. */
  readonly hardwareTypes: ReadonlySet<string>;
  /** Sources of the device id that need nothing but the request. */
  readonly deviceIdSources: readonly ValueSource[];
  readonly sources: readonly ValueSource[];
  /** OIDs of requested extensions without effect. */
  readonly ignoredExtensions: ReadonlySet<string>;
  /** Values that the profile fixes, by OID of the attribute: naming them again does no harm. */
  readonly fixedSubject: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Names of extensions in a profile's `ignoredExtensions`, and in details. */
export const extensionOids: ReadonlyMap<string, string> = new Map([
  ['keyUsage', oids.id_ce_keyUsage],
  ['extKeyUsage', oids.id_ce_extKeyUsage],
  ['basicConstraints', oids.id_ce_basicConstraints],
  ['subjectAltName', oids.id_ce_subjectAltName],
  ['issuerAltName', oids.id_ce_issuerAltName],
  ['subjectKeyIdentifier', oids.id_ce_subjectKeyIdentifier],
  ['authorityKeyIdentifier', oids.id_ce_authorityKeyIdentifier],
  ['nameConstraints', oids.id_ce_nameConstraints],
  ['certificatePolicies', oids.id_ce_certificatePolicies],
  ['policyMappings', oids.id_ce_policyMappings],
  ['policyConstraints', oids.id_ce_policyConstraints],
  ['inhibitAnyPolicy', oids.id_ce_inhibitAnyPolicy],
  ['cRLDistributionPoints', oids.id_ce_cRLDistributionPoints],
  ['freshestCRL', oids.id_ce_freshestCRL],
  ['authorityInfoAccess', oids.id_pe_authorityInfoAccess],
  ['subjectInfoAccess', oids.id_pe_subjectInfoAccess],
  ['tlsFeature', oids.id_pe_tlsfeature],
]);

const subjectSource = /^csr\.subject\.(.+)$/;

function isAttributeType(name: string | undefined): name is SubjectAttributeType {
  return name !== undefined && name in subjectAttributeOids;
}

/** RFC 5280 A.1, ub-common-name and so on; the Matter attributes have four digits. */
function maxLengthOf(name: SubjectAttributeType, column: ValueSource, profile: Profile): number {
  if (name === 'matterVendorId' || name === 'matterProductId') return 4;
  // RFC 5280 A.1: ub-locality-name, ub-state-name.
  if (name === 'localityName' || name === 'stateOrProvinceName') return 128;
  // A device id may be longer than the name it becomes is allowed to be; its field has the rule.
  return profile.deviceIdFrom.includes(column) ? maxDeviceIdBytes : 64;
}

const plans = new WeakMap<Profile, ExaminationPlan>();

/** The plan of a profile; made once per Profile object. */
export function examinationPlan(profile: Profile): ExaminationPlan {
  let plan = plans.get(profile);
  if (plan === undefined) {
    plan = makePlan(profile);
    plans.set(profile, plan);
  }
  return plan;
}

function makePlan(profile: Profile): ExaminationPlan {
  const sources = csrSources(profile);
  const subjectColumns = sources.flatMap((source, column): SubjectColumn[] => {
    const name = subjectSource.exec(source)?.[1];
    if (!isAttributeType(name)) return [];
    const maxLength = maxLengthOf(name, source, profile);
    return [{ oid: subjectAttributeOids[name], name, column, maxLength }];
  });
  const fixedSubject = new Map<string, Set<string>>();
  for (const { type, value } of profile.subject) {
    if (!('fixed' in value)) continue;
    const values = fixedSubject.get(subjectAttributeOids[type]) ?? new Set();
    fixedSubject.set(subjectAttributeOids[type], values.add(value.fixed));
  }
  const names = profile.extensions.subjectAltName?.names ?? [];
  return {
    profile,
    columnCount: sources.length,
    subjectColumns,
    hardwareSerialColumn: sources.indexOf('csr.san.hardwareSerialNumber'),
    hardwareTypes: new Set(
      names.flatMap((name) => (name.type === 'hardwareModuleName' ? [name.hwType] : [])),
    ),
    deviceIdSources: profile.deviceIdFrom.filter(
      (source) => source === 'udid' || source.startsWith('csr.'),
    ),
    sources,
    ignoredExtensions: new Set(
      profile.csr.ignoredExtensions.map((name) => extensionOids.get(name) ?? name),
    ),
    fixedSubject,
  };
}
