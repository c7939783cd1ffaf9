import { oids } from '@certmill/der';
import type { SubjectAttributeType } from '@certmill/domain';

/** OIDs of the attributes that a profile can name. */
export const subjectAttributeOids: Readonly<Record<SubjectAttributeType, string>> = {
  commonName: oids.id_at_commonName,
  serialNumber: oids.id_at_serialNumber,
  countryName: oids.id_at_countryName,
  organizationName: oids.id_at_organizationName,
  organizationalUnitName: oids.id_at_organizationalUnitName,
  localityName: oids.id_at_localityName,
  stateOrProvinceName: oids.id_at_stateOrProvinceName,
  title: oids.id_at_title,
  dnQualifier: oids.id_at_dnQualifier,
  domainComponent: oids.id_domainComponent,
  matterVendorId: oids.matter_at_vendorId,
  matterProductId: oids.matter_at_productId,
};
