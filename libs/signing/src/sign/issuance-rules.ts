import {
  createCertificateWalk,
  type NameConstraints,
  nameOutside,
  oids,
  readBasicConstraints,
  readExtensions,
  readKeyUsage,
  readTbsNames,
  walkCertificate,
} from '@certmill/der';
import { CertmillError, type OrderId, type Profile, type TenantId } from '@certmill/domain';
import {
  heldMatterIds,
  type HeldMatterIds,
  isMatterIssuer,
  matterIdOfNames,
} from '@certmill/pipeline/compute';
import type { IssuerCertificate } from './issuer-certificate.js';

/**
 * What sign holds against its own results, whatever validate and the stores say (DESIGN 3.6): no tenant
 * that the issuer does not serve, no CA certificate, nothing outside the issuer's life, nothing but the
 * serial number and key of the request.
 */

const caUsages: readonly string[] = ['keyCertSign', 'cRLSign'];
/** Extensions that make or limit a CA, or that the template writes itself. */
const refusedCustomOids: readonly string[] = [
  oids.id_ce_basicConstraints,
  oids.id_ce_keyUsage,
  oids.id_ce_nameConstraints,
  oids.id_ce_policyConstraints,
  oids.id_ce_policyMappings,
];

/** The one order that an issuer was made for: revoking the issuer ends exactly it. */
export interface BoundOrder {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
}

/**
 * Run on every chunk, whatever order, ingest and validate took. `tenants` undefined: every tenant.
 * Faults: FAULT_PROCESSING.
 */
export function assertIssuerServes(
  issuer: {
    readonly issuerName: string;
    readonly tenants: readonly TenantId[] | undefined;
    readonly order: BoundOrder | undefined;
  },
  chunk: { readonly issuer: string; readonly tenant: TenantId; readonly orderId: OrderId },
): void {
  const { issuerName, tenants, order } = issuer;
  if (chunk.issuer !== issuerName) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `a chunk for issuer ${chunk.issuer} came to issuer ${issuerName}`,
    );
  }
  if (tenants !== undefined && !tenants.includes(chunk.tenant)) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `issuer ${issuerName} does not sign for tenant ${chunk.tenant}`,
    );
  }
  if (order !== undefined && (order.tenant !== chunk.tenant || order.orderId !== chunk.orderId)) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `issuer ${issuerName} signs for order ${order.orderId} alone, not for ${chunk.orderId}`,
    );
  }
}

/** Faults: FAULT_LINT_FAILED. */
export function assertProfileIsForDevices(profile: Profile): void {
  const { basicConstraints, keyUsage, custom = [] } = profile.extensions;
  const claims: { readonly ca: boolean } | undefined = basicConstraints;
  const usage = keyUsage?.bits.find((bit) => caUsages.includes(bit));
  const extension = custom.find(({ oid }) => refusedCustomOids.includes(oid));
  const reason =
    claims?.ca === true
      ? 'basicConstraints cA (RFC 5280 4.2.1.9)'
      : usage !== undefined
        ? `key usage ${usage} (RFC 5280 4.2.1.3)`
        : extension === undefined
          ? undefined
          : `extension ${extension.oid}`;
  if (reason !== undefined) throw lint(`profile ${profile.name} is not for devices: ${reason}`);
}

/**
 * Holds the names of a TBSCertificate against what its issuer's chain constrains (RFC 5280 4.2.1.10),
 * before it is signed. Admission lets no profile through whose names could leave it; sign trusts no
 * admission. Faults: FAULT_LINT_FAILED.
 */
export function assertNamesWithin(
  constraints: readonly NameConstraints[],
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const names = readTbsNames(bytes, start, end);
  if (!names.ok) throw lint(`the names of a certificate are not DER (${names.error.code})`);
  for (const each of constraints) {
    const outside = nameOutside(each, names.value);
    if (outside === undefined) continue;
    throw lint(`${outside} would leave the issuer's nameConstraints (RFC 5280 4.2.1.10)`);
  }
}

/**
 * What the issuer of a profile's certificates holds them to, where they are attestation certificates of
 * Matter: such an issuer has a vendor id (Matter Core Specification 6.2.2.4), and signs nothing else.
 * Faults: FAULT_LINT_FAILED.
 */
export function assertAttests(
  profile: Profile,
  issuerName: string,
  issuer: Pick<IssuerCertificate, 'subjectDer'>,
): HeldMatterIds | undefined {
  const held = heldMatterIds(profile, issuer.subjectDer);
  if (held === undefined && isMatterIssuer(issuer.subjectDer)) {
    throw lint(
      `issuer ${issuerName} has a vendor id: it signs device attestation certificates, and none of ` +
        `profile ${profile.name} (Matter Core Specification 6.2.2.4)`,
    );
  }
  if (held === undefined || held.vendorId !== undefined) return held;
  throw lint(
    `issuer ${issuerName} has no vendor id: it is no product attestation intermediate, which ` +
      `profile ${profile.name} needs (Matter Core Specification 6.2.2.4)`,
  );
}

/** The same of one TBSCertificate, before it is signed. Faults: FAULT_LINT_FAILED. */
export function assertOfIssuersVendor(
  held: HeldMatterIds,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const names = readTbsNames(bytes, start, end);
  const other = names.ok ? matterIdOfNames(held, names.value) : names.error.code;
  if (other !== undefined) throw lint(`${other} (Matter Core Specification 6.2.2.3)`);
}

const walk = createCertificateWalk();

/**
 * Reads a finished certificate back. Run on the first one of every chunk: all of a chunk share one
 * template and one validity. Faults: FAULT_LINT_FAILED.
 */
export function assertIssuable(
  bytes: Uint8Array,
  start: number,
  end: number,
  issuer: IssuerCertificate,
  serialNumber: Uint8Array,
  subjectPKInfoDer: Uint8Array,
): void {
  if (!walkCertificate(bytes, start, end, walk, bytes.length)) {
    throw lint(`a certificate is not DER (${String(walk.error)})`);
  }
  const isAsked =
    walk.version === 3 &&
    isEqual(bytes, walk.serialNumberStart, walk.serialNumberEnd, serialNumber) &&
    isEqual(bytes, walk.subjectPKInfoStart, walk.subjectPKInfoEnd, subjectPKInfoDer) &&
    isEqual(bytes, walk.issuerStart, walk.issuerEnd, issuer.subjectDer);
  if (!isAsked) throw lint('a certificate is not the one that was to be issued');
  if (
    walk.notBeforeSeconds < issuer.notBeforeSeconds ||
    walk.notAfterSeconds > issuer.notAfterSeconds
  ) {
    throw lint("a certificate would be valid outside its issuer's life (RFC 5280 4.1.2.5)");
  }
  if (walk.extensionsStart >= 0) assertNoCa(bytes, walk.extensionsStart, walk.extensionsEnd);
}

function assertNoCa(bytes: Uint8Array, start: number, end: number): void {
  const read = readExtensions(bytes, start, end);
  if (!read.ok) throw lint(`extensions are not DER (${read.error.code})`);
  for (const { oid, valueStart, valueEnd } of read.value) {
    if (oid === oids.id_ce_basicConstraints) {
      const constraints = readBasicConstraints(bytes, valueStart, valueEnd);
      if (!constraints.ok || constraints.value.cA) throw lint('a certificate would be a CA');
    }
    if (oid === oids.id_ce_keyUsage) {
      const usage = readKeyUsage(bytes, valueStart, valueEnd);
      if (!usage.ok || usage.value.some((bit) => caUsages.includes(bit))) {
        throw lint('a certificate would be allowed to sign certificates or CRLs');
      }
    }
  }
}

function isEqual(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(start, end), other) === 0;
}

function lint(message: string): CertmillError {
  return new CertmillError('FAULT_LINT_FAILED', message);
}
