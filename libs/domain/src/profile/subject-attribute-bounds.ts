import type { SubjectAttributeType } from './profile.js';

/** In characters, RFC 5280 A.1 ub-*; the Matter attributes are 4 hex digits (Matter Core Specification 6.1.1). */
export const subjectAttributeBounds: Readonly<Record<SubjectAttributeType, number>> = {
  commonName: 64,
  serialNumber: 64,
  countryName: 2,
  organizationName: 64,
  organizationalUnitName: 64,
  localityName: 128,
  stateOrProvinceName: 128,
  title: 64,
  // X.520 6.2.8 bounds it by nothing; no certificate needs more.
  dnQualifier: 64,
  // A label of a domain name (RFC 4519 2.4, RFC 1034 3.1).
  domainComponent: 63,
  matterVendorId: 4,
  matterProductId: 4,
};
