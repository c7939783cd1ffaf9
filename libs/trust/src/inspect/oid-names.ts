import { oids } from '@certmill/der';

/** Names of object identifiers that stand in no rule of ours but in what people show us. */
const further: Readonly<Record<string, string>> = {
  '1.3.101.113': 'Ed448',
  '1.2.840.113549.1.9.3': 'contentType',
  '1.2.840.113549.1.9.4': 'messageDigest',
  '1.2.840.113549.1.9.5': 'signingTime',
  '1.3.14.3.2.26': 'sha1',
  '1.3.132.0.10': 'secp256k1',
  '2.5.29.9': 'subjectDirectoryAttributes',
  '2.5.29.16': 'privateKeyUsagePeriod',
  '2.5.29.20': 'cRLNumber',
  '2.5.29.21': 'reasonCode',
  '2.5.29.24': 'invalidityDate',
  '2.5.29.27': 'deltaCRLIndicator',
  '2.5.29.28': 'issuingDistributionPoint',
  '2.5.29.29': 'certificateIssuer',
  '1.3.6.1.5.5.7.48.1.1': 'id-pkix-ocsp-basic',
  '1.3.6.1.5.5.7.48.1.2': 'id-pkix-ocsp-nonce',
  '1.3.6.1.5.5.7.48.1.4': 'id-pkix-ocsp-response',
  '1.3.6.1.5.5.7.48.1.5': 'id-pkix-ocsp-nocheck',
  '1.3.6.1.5.5.7.48.1.6': 'id-pkix-ocsp-archive-cutoff',
  '1.3.6.1.5.5.7.48.1.8': 'id-pkix-ocsp-pref-sig-algs',
  '1.3.6.1.5.5.7.48.1.9': 'id-pkix-ocsp-extended-revoke',
  '1.3.6.1.5.5.7.2.1': 'id-qt-cps',
  '1.3.6.1.5.5.7.2.2': 'id-qt-unotice',
  '1.3.6.1.4.1.45605.1': 'id-kp-wisun-fan-device',
  '2.23.133.1.2': 'tcg-tpm-hwType',
  '2.23.133.8.1': 'tcg-kp-EKCertificate',
  '2.23.133.8.3': 'tcg-kp-AIKCertificate',
  '2.16.840.1.101.3.4.3.17': 'id-ml-dsa-44',
  '2.16.840.1.101.3.4.3.18': 'id-ml-dsa-65',
  '2.16.840.1.101.3.4.3.19': 'id-ml-dsa-87',
};

/** `id_ce_keyUsage` is `keyUsage` to people; the other arcs keep their prefix in RFC spelling. */
function spelled(name: string): string {
  return name.replace(/^id_(ce|at|pe)_/, '').replaceAll('_', '-');
}

const names: ReadonlyMap<string, string> = new Map([
  ...Object.entries(further),
  ...Object.entries(oids).map(([name, oid]): [string, string] => [oid, spelled(name)]),
]);

/** The name of an object identifier; itself where it has none here. */
export function oidName(oid: string): string {
  return names.get(oid) ?? oid;
}

/** Attribute types with the short names of RFC 4514 3, for names in one line. */
const shortNames: Readonly<Record<string, string>> = {
  [oids.id_at_commonName]: 'CN',
  [oids.id_at_localityName]: 'L',
  [oids.id_at_stateOrProvinceName]: 'ST',
  [oids.id_at_organizationName]: 'O',
  [oids.id_at_organizationalUnitName]: 'OU',
  [oids.id_at_countryName]: 'C',
  [oids.id_at_streetAddress]: 'STREET',
  [oids.id_domainComponent]: 'DC',
  [oids.id_userId]: 'UID',
};

export function attributeName(oid: string): string {
  return shortNames[oid] ?? oidName(oid);
}
