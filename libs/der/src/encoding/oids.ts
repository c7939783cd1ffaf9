/** Object identifiers by the names their RFCs give them. */
export const oids = {
  // Attribute types: RFC 4519, RFC 5280 A.1, RFC 4524 (uid), RFC 2985 (emailAddress).
  id_at_commonName: '2.5.4.3',
  id_at_surname: '2.5.4.4',
  id_at_serialNumber: '2.5.4.5',
  id_at_countryName: '2.5.4.6',
  id_at_localityName: '2.5.4.7',
  id_at_stateOrProvinceName: '2.5.4.8',
  id_at_streetAddress: '2.5.4.9',
  id_at_organizationName: '2.5.4.10',
  id_at_organizationalUnitName: '2.5.4.11',
  id_at_title: '2.5.4.12',
  id_at_givenName: '2.5.4.42',
  id_at_initials: '2.5.4.43',
  id_at_generationQualifier: '2.5.4.44',
  id_at_dnQualifier: '2.5.4.46',
  id_at_pseudonym: '2.5.4.65',
  id_at_organizationIdentifier: '2.5.4.97',
  id_userId: '0.9.2342.19200300.100.1.1',
  id_domainComponent: '0.9.2342.19200300.100.1.25',
  id_emailAddress: '1.2.840.113549.1.9.1',
  // Matter Core Specification 6.1.1, 6.2.2: vendor and product id of a DAC.
  matter_at_vendorId: '1.3.6.1.4.1.37244.2.1',
  matter_at_productId: '1.3.6.1.4.1.37244.2.2',

  // PKCS #10 attributes: RFC 2985 5.4; the last is Microsoft's form of extensionRequest.
  id_challengePassword: '1.2.840.113549.1.9.7',
  id_unstructuredName: '1.2.840.113549.1.9.2',
  id_extensionRequest: '1.2.840.113549.1.9.14',
  ms_certExtensions: '1.3.6.1.4.1.311.2.1.14',

  // Public keys: RFC 3279 2.3, RFC 5480 2.1, RFC 8410 3, RFC 4055 1.2.
  rsaEncryption: '1.2.840.113549.1.1.1',
  id_RSASSA_PSS: '1.2.840.113549.1.1.10',
  id_ecPublicKey: '1.2.840.10045.2.1',
  id_Ed25519: '1.3.101.112',
  secp256r1: '1.2.840.10045.3.1.7',
  secp384r1: '1.3.132.0.34',
  secp521r1: '1.3.132.0.35',
  // Keys and signatures alike: RFC 9881 2.
  id_ml_dsa_44: '2.16.840.1.101.3.4.3.17',
  id_ml_dsa_65: '2.16.840.1.101.3.4.3.18',
  id_ml_dsa_87: '2.16.840.1.101.3.4.3.19',

  // Signatures: RFC 3279 2.2, RFC 4055 5, RFC 5758 3.2; sha1WithRSASignature is OIW's.
  md2WithRSAEncryption: '1.2.840.113549.1.1.2',
  md5WithRSAEncryption: '1.2.840.113549.1.1.4',
  sha1WithRSAEncryption: '1.2.840.113549.1.1.5',
  sha1WithRSASignature: '1.3.14.3.2.29',
  sha256WithRSAEncryption: '1.2.840.113549.1.1.11',
  sha384WithRSAEncryption: '1.2.840.113549.1.1.12',
  sha512WithRSAEncryption: '1.2.840.113549.1.1.13',
  sha224WithRSAEncryption: '1.2.840.113549.1.1.14',
  ecdsa_with_SHA1: '1.2.840.10045.4.1',
  ecdsa_with_SHA224: '1.2.840.10045.4.3.1',
  ecdsa_with_SHA256: '1.2.840.10045.4.3.2',
  ecdsa_with_SHA384: '1.2.840.10045.4.3.3',
  ecdsa_with_SHA512: '1.2.840.10045.4.3.4',

  // Hashes and mask generation: RFC 4055 2.1, 2.2.
  id_sha1: '1.3.14.3.2.26',
  id_sha256: '2.16.840.1.101.3.4.2.1',
  id_sha384: '2.16.840.1.101.3.4.2.2',
  id_sha512: '2.16.840.1.101.3.4.2.3',
  id_mgf1: '1.2.840.113549.1.1.8',

  // Extensions: RFC 5280 4.2.1, 4.2.2, 5.2, 5.3.
  id_ce_subjectKeyIdentifier: '2.5.29.14',
  id_ce_keyUsage: '2.5.29.15',
  id_ce_subjectAltName: '2.5.29.17',
  id_ce_issuerAltName: '2.5.29.18',
  id_ce_basicConstraints: '2.5.29.19',
  id_ce_cRLNumber: '2.5.29.20',
  id_ce_cRLReasons: '2.5.29.21',
  id_ce_invalidityDate: '2.5.29.24',
  id_ce_deltaCRLIndicator: '2.5.29.27',
  id_ce_issuingDistributionPoint: '2.5.29.28',
  id_ce_nameConstraints: '2.5.29.30',
  id_ce_cRLDistributionPoints: '2.5.29.31',
  id_ce_certificatePolicies: '2.5.29.32',
  id_ce_policyMappings: '2.5.29.33',
  id_ce_authorityKeyIdentifier: '2.5.29.35',
  id_ce_policyConstraints: '2.5.29.36',
  id_ce_extKeyUsage: '2.5.29.37',
  id_ce_freshestCRL: '2.5.29.46',
  id_ce_inhibitAnyPolicy: '2.5.29.54',
  id_pe_authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  id_pe_subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
  // RFC 7633 4.
  id_pe_tlsfeature: '1.3.6.1.5.5.7.1.24',
  // RFC 9608 2.
  id_ce_noRevAvail: '2.5.29.56',

  // Extended key purposes: RFC 5280 4.2.1.12.
  anyExtendedKeyUsage: '2.5.29.37.0',
  id_kp_serverAuth: '1.3.6.1.5.5.7.3.1',
  id_kp_clientAuth: '1.3.6.1.5.5.7.3.2',
  id_kp_codeSigning: '1.3.6.1.5.5.7.3.3',
  id_kp_emailProtection: '1.3.6.1.5.5.7.3.4',
  id_kp_timeStamping: '1.3.6.1.5.5.7.3.8',
  id_kp_OCSPSigning: '1.3.6.1.5.5.7.3.9',
  // Wi-SUN Alliance, enterprise number 45605.
  id_kp_wisun_fan_device: '1.3.6.1.4.1.45605.1',

  // Access methods and policies: RFC 5280 4.2.2.1, 4.2.1.4.
  id_ad_ocsp: '1.3.6.1.5.5.7.48.1',
  id_ad_caIssuers: '1.3.6.1.5.5.7.48.2',
  anyPolicy: '2.5.29.32.0',

  // OCSP: RFC 6960 4.2.1, 4.4.1, 4.2.2.2.1; what may stand in requests: 4.4.3 to 4.4.7.
  id_pkix_ocsp_basic: '1.3.6.1.5.5.7.48.1.1',
  id_pkix_ocsp_nonce: '1.3.6.1.5.5.7.48.1.2',
  id_pkix_ocsp_response: '1.3.6.1.5.5.7.48.1.4',
  id_pkix_ocsp_nocheck: '1.3.6.1.5.5.7.48.1.5',
  id_pkix_ocsp_service_locator: '1.3.6.1.5.5.7.48.1.7',
  id_pkix_ocsp_pref_sig_algs: '1.3.6.1.5.5.7.48.1.8',

  // Other names: RFC 4108 5, RFC 4556 (UPN is Microsoft's).
  id_on_hardwareModuleName: '1.3.6.1.5.5.7.8.4',
  ms_userPrincipalName: '1.3.6.1.4.1.311.20.2.3',

  // CMS content types: RFC 5652 4, 5.1.
  id_data: '1.2.840.113549.1.7.1',
  id_signedData: '1.2.840.113549.1.7.2',
} as const;
